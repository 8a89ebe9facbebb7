/** A codec by V8's own serializer, which structuredClone uses. */
import { DefaultDeserializer, DefaultSerializer } from 'node:v8';
import { type Codec, kindOf, OBJECT_VIEW_MIN, ofKind, viewBytes, viewOf } from './codec.ts';

const INSIDE = 0;
const BESIDE = 1;

class ViewSerializer extends DefaultSerializer {
  readonly #views: ArrayBufferView[];

  constructor(views: ArrayBufferView[]) {
    super();
    this.#views = views;
  }

  /** @internal Called for each view, by Node's name. */
  _writeHostObject(value: ArrayBufferView): void {
    const bytes = viewBytes(value);
    this.writeUint32(kindOf(value));
    if (bytes >= OBJECT_VIEW_MIN) {
      this.writeUint32(BESIDE);
      this.writeUint32(this.#views.push(viewOf(value)) - 1);
      return;
    }
    this.writeUint32(INSIDE);
    this.writeUint32(bytes);
    this.writeRawBytes(new Uint8Array(value.buffer, value.byteOffset, bytes));
  }
}

class ViewDeserializer extends DefaultDeserializer {
  readonly #views: readonly Uint8Array[];

  constructor(bytes: Uint8Array, views: readonly Uint8Array[]) {
    super(bytes);
    this.#views = views;
  }

  /** @internal */
  _readHostObject(): unknown {
    const kind = this.readUint32();
    const where = this.readUint32();
    const number = this.readUint32();
    if (where === BESIDE) return ofKind(kind, this.#views[number]);
    return ofKind(kind, new Uint8Array(this.readRawBytes(number)));
  }
}

/**
 * A codec by `v8.serialize`: what `structuredClone` takes. Slower than the usual one for small objects; it keeps
 * cycles, and objects that are met twice stay one.
 */
export const v8Codec: Codec = {
  /** See {@link Codec.encode}. @throws where the value holds what structuredClone does not take */
  encode(value, views) {
    const serializer = new ViewSerializer(views);
    serializer.writeHeader();
    serializer.writeValue(value);
    return serializer.releaseBuffer();
  },
  /** See {@link Codec.decode}. @throws as that */
  decode(bytes, views) {
    const deserializer = new ViewDeserializer(bytes, views);
    deserializer.readHeader();
    return deserializer.readValue();
  },
};
