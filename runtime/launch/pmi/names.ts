/** Names that ranks publish for each other, with a port behind each (MPI 4.1, 11.4.4). */
import { formatLine, type PmiFields, VALUE_MAX } from '../../job/pmi-wire.ts';

/** Names that a job may have published at one time. */
export const PUBLISHED_NAMES_MAX = 4096;

type NameCommand = 'publish_name' | 'lookup_name' | 'unpublish_name';

export class PublishedNames {
  readonly #ports = new Map<string, string>();

  answerTo(cmd: NameCommand, fields: PmiFields): string {
    const service = fields.get('service') ?? '';
    if (cmd === 'publish_name') return this.#publish(service, fields.get('port') ?? '');
    const port = this.#ports.get(service);
    const name = cmd === 'lookup_name' ? 'lookup_result' : 'unpublish_result';
    if (port === undefined) return refusal(name, 'service_not_found');
    if (cmd === 'lookup_name') return formatLine(name, { ...GRANTED, port });
    this.#ports.delete(service);
    return formatLine(name, GRANTED);
  }

  #publish(service: string, port: string): string {
    const name = 'publish_result';
    if (service === '' || port === '') return refusal(name, 'service_or_port_missing');
    if (service.length + port.length > VALUE_MAX) return refusal(name, 'name_too_long');
    if (this.#ports.has(service)) return refusal(name, 'service_already_published');
    if (this.#ports.size >= PUBLISHED_NAMES_MAX) return refusal(name, 'too_many_names');
    this.#ports.set(service, port);
    return formatLine(name, GRANTED);
  }
}

/** Some clients look at the one word, some at the other. */
const GRANTED = { info: 'ok', rc: 0, msg: 'success' };

function refusal(name: string, msg: string): string {
  return formatLine(name, { info: 'fail', rc: -1, msg });
}
