/**
 * PMI-1 on the wire: one command a line, `cmd=name key=value key=value\n`. Shared by the client (a
 * rank) and the server (dregrun). Bytes are latin1, so that nothing is lost on the way.
 */

export const PMI_VERSION = 1;
export const PMI_SUBVERSION = 1;

/**
 * The limits that dregrun names. They are MPICH's own numbers, because MPICH's clients allocate by them.
 */
export const KVSNAME_MAX = 256;
export const KEY_MAX = 64;
export const VALUE_MAX = 1024;

/** Clients of MPICH and servers of Slurm read into buffers of this size: no line of ours is longer. */
export const CLIENT_LINE_MAX = 1024;

/** The key under which a launcher publishes which ranks share a node. */
export const PROCESS_MAPPING_KEY = 'PMI_process_mapping';

/** A parsed line: its fields, `cmd` among them. */
export type PmiFields = ReadonlyMap<string, string>;

/**
 * The fields of a line without its newline, or undefined where it is none of PMI-1: every word must
 * be `key=value`, no key may come twice, and there must be at least one.
 */
export function parseLine(line: string): PmiFields | undefined {
  const fields = new Map<string, string>();
  for (const word of line.split(' ')) {
    if (word === '') continue;
    const equals = word.indexOf('=');
    if (equals <= 0) return undefined;
    const key = word.slice(0, equals);
    if (fields.has(key)) return undefined;
    fields.set(key, word.slice(equals + 1));
  }
  return fields.size > 0 ? fields : undefined;
}

/** `cmd=name key=value…\n`. Keys and values come from us or were parsed: no blank is in them. */
export function formatLine(cmd: string, fields: Record<string, string | number> = {}): string {
  let line = `cmd=${cmd}`;
  for (const [key, value] of Object.entries(fields)) line += ` ${key}=${value}`;
  return `${line}\n`;
}

/** An integer in decimal as PMI and its environment write it, or undefined. */
export function parseInteger(text: string | undefined): number | undefined {
  if (text === undefined || !/^-?[0-9]{1,15}$/.test(text)) return undefined;
  return Number(text);
}
