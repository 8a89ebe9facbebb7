/** A minimal writer of the "newc" archives that the kernel takes as an initramfs. */

const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const S_IFCHR = 0o020000;
const S_IFLNK = 0o120000;

export class CpioWriter {
  #parts: Buffer[] = [];
  #inode = 1;

  folder(name: string): void {
    this.#entry(name, S_IFDIR | 0o755, Buffer.alloc(0));
  }

  file(name: string, content: Buffer, mode: number): void {
    this.#entry(name, S_IFREG | mode, content);
  }

  link(name: string, target: string): void {
    this.#entry(name, S_IFLNK | 0o777, Buffer.from(target));
  }

  characterDevice(name: string, major: number, minor: number): void {
    this.#entry(name, S_IFCHR | 0o600, Buffer.alloc(0), major, minor);
  }

  end(): Buffer {
    this.#entry('TRAILER!!!', 0, Buffer.alloc(0));
    return Buffer.concat(this.#parts);
  }

  #entry(name: string, mode: number, content: Buffer, major = 0, minor = 0): void {
    const fields = [
      this.#inode++, // inode
      mode,
      0, // uid
      0, // gid
      1, // links
      0, // mtime: the same content gives the same archive
      content.length,
      0, // device
      0,
      major,
      minor,
      name.length + 1,
      0, // checksum, unused by newc
    ];
    const hex = fields.map((field) => field.toString(16).padStart(8, '0')).join('');
    this.#pad(Buffer.from(`070701${hex}${name}\0`, 'latin1'));
    this.#pad(content);
  }

  #pad(part: Buffer): void {
    this.#parts.push(part, Buffer.alloc((4 - (part.length % 4)) % 4));
  }
}
