import { UserError } from "../errors/user_error.ts";

/** A pickle that cannot be read or that asks for more than data. The message names the file. */
export class PickleError extends UserError {}

/** A name that a pickle imports: a class or a function, known to the reader by name alone. */
export class PickleGlobal {
  constructor(readonly name: string) {}
}

/** What a pickle may name, and what calling it gives. Nothing is ever imported or run but these functions. */
export interface PickleRules {
  /** The globals that may be named. Those without a function cannot be called. */
  readonly globals: Readonly<Record<string, ((args: readonly unknown[]) => unknown) | null>>;
  /** What a persistent id stands for. */
  persistent(id: unknown): unknown;
}

/** A pickle may make this many containers, memo entries and marks; each may take one byte of it and far more memory. */
const MAX_OBJECTS = 1 << 20;

/** Integers of more bytes than this are refused, as nothing that a state dict holds is as large. */
const MAX_INTEGER_BYTES = 8;

const MARK = Symbol("mark");

/**
 * Reads a pickle of plain data: dictionaries (as `Map`), lists and tuples (as arrays), text, numbers, and what the rules
 * allow. It executes nothing: a global is a name, and calling one is a look-up in the rules.
 *
 * @param source The file's name for messages.
 * @throws {PickleError} For another opcode or global, or a pickle that is damaged.
 */
export function readPickle(bytes: Uint8Array, rules: PickleRules, source: string): unknown {
  return new PickleReader(bytes, rules, source).read();
}

class PickleReader {
  readonly #view: DataView;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  #at = 0;
  #objects = 0;
  readonly #stack: unknown[] = [];
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, unknown>();

  constructor(readonly bytes: Uint8Array, readonly rules: PickleRules, readonly source: string) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  read(): unknown {
    for (;;) {
      const opcode = String.fromCharCode(this.#uint8());
      if (opcode === ".") return this.#pop();
      this.#step(opcode);
    }
  }

  #step(opcode: string): void {
    const stack = this.#stack;
    switch (opcode) {
      case "\x80": { // PROTO
        const version = this.#uint8();
        if (version < 2 || version > 5) throw this.#damaged(`its pickle has the protocol ${version}`);
        return;
      }
      case "\x95": // FRAME
        this.#uint64();
        return;
      case "N":
        return this.#push(null);
      case "\x88":
        return this.#push(true);
      case "\x89":
        return this.#push(false);
      case "K": // BININT1
        return this.#push(this.#uint8());
      case "M": // BININT2
        return this.#push(this.#view.getUint16(this.#skip(2), true));
      case "J": // BININT
        return this.#push(this.#view.getInt32(this.#skip(4), true));
      case "\x8a": // LONG1
        return this.#push(this.#integer(this.#uint8()));
      case "G": // BINFLOAT
        return this.#push(this.#view.getFloat64(this.#skip(8)));
      case "X": // BINUNICODE
        return this.#push(this.#text(this.#uint32()));
      case "\x8c": // SHORT_BINUNICODE
        return this.#push(this.#text(this.#uint8()));
      case "\x8d": // BINUNICODE8
        return this.#push(this.#text(this.#uint64()));
      case "(":
        this.#count();
        this.#marks.push(stack.length);
        return this.#push(MARK);
      case ")":
      case "]":
        return this.#push(this.#made([]));
      case "}":
        return this.#push(this.#made(new Map()));
      case "t":
        return this.#push(this.#made(this.#sinceMark()));
      case "\x85":
      case "\x86":
      case "\x87": { // TUPLE1 to TUPLE3
        const items = Array.from({ length: opcode.charCodeAt(0) - 0x84 }, () => this.#pop());
        return this.#push(this.#made(items.reverse()));
      }
      case "a": // APPEND
        return this.#append([this.#pop()]);
      case "e": // APPENDS
        return this.#append(this.#sinceMark());
      case "s": { // SETITEM
        const value = this.#pop();
        return this.#setItems([this.#pop(), value]);
      }
      case "u": // SETITEMS
        return this.#setItems(this.#sinceMark());
      case "q": // BINPUT
        return this.#remember(this.#uint8());
      case "r": // LONG_BINPUT
        return this.#remember(this.#uint32());
      case "\x94": // MEMOIZE
        return this.#remember(this.#memo.size);
      case "h": // BINGET
        return this.#recall(this.#uint8());
      case "j": // LONG_BINGET
        return this.#recall(this.#uint32());
      case "c": // GLOBAL
        return this.#push(this.#global(this.#line(), this.#line()));
      case "\x93": { // STACK_GLOBAL
        const name = this.#pop();
        return this.#push(this.#global(this.#pop(), name));
      }
      case "R":
        return this.#reduce();
      case "Q": // BINPERSID
        return this.#push(this.rules.persistent(this.#pop()));
      case "b": // BUILD
        // A state dict carries attributes of its own, such as its version; they are no weights.
        this.#pop();
        if (!(this.#top() instanceof Map)) throw this.#damaged("its pickle gives attributes to what has none");
        return;
      default:
        throw new PickleError(
          `${this.source}: its pickle has the opcode ${JSON.stringify(opcode)}, which no state dict needs. ` +
            "Save the model's state_dict() alone, or as .safetensors.",
        );
    }
  }

  #reduce(): void {
    const args = this.#pop(), callee = this.#pop();
    const call = callee instanceof PickleGlobal ? this.rules.globals[callee.name] : null;
    if (!call || !Array.isArray(args)) {
      const what = callee instanceof PickleGlobal ? callee.name : "something that is no function";
      throw this.#damaged(`its pickle calls ${what}`);
    }
    this.#push(this.#made(call(args)));
  }

  #global(module: unknown, name: unknown): PickleGlobal {
    const full = `${module}.${name}`;
    if (Object.hasOwn(this.rules.globals, full)) return new PickleGlobal(full);
    throw new PickleError(
      `${this.source}: its pickle asks for ${JSON.stringify(full.slice(0, 80))}, but only tensors, lists and ` +
        `dictionaries are read. Nothing was run. Get it as .safetensors, or from someone you trust.`,
    );
  }

  #append(items: unknown[]): void {
    const list = this.#top();
    if (!Array.isArray(list)) throw this.#damaged("its pickle appends to what is no list");
    for (const item of items) list.push(item);
  }

  #setItems(items: unknown[]): void {
    const map = this.#top();
    if (!(map instanceof Map) || items.length % 2 !== 0) throw this.#damaged("its pickle sets items of no dictionary");
    for (let i = 0; i < items.length; i += 2) map.set(items[i], items[i + 1]);
  }

  #remember(index: number): void {
    this.#count();
    this.#memo.set(index, this.#top());
  }

  #recall(index: number): void {
    if (!this.#memo.has(index)) throw this.#damaged("its pickle refers to an object that it does not have");
    this.#push(this.#memo.get(index));
  }

  #push(value: unknown): void {
    this.#stack.push(value);
  }

  #top(): unknown {
    const value = this.#stack[this.#stack.length - 1];
    if (this.#stack.length === 0 || value === MARK) throw this.#damaged("its pickle takes more than it put");
    return value;
  }

  #pop(): unknown {
    const value = this.#top();
    this.#stack.pop();
    return value;
  }

  #sinceMark(): unknown[] {
    const mark = this.#marks.pop();
    if (mark === undefined) throw this.#damaged("its pickle lacks a mark");
    return this.#stack.splice(mark).slice(1);
  }

  #made<T>(value: T): T {
    this.#count();
    return value;
  }

  #count(): void {
    if (++this.#objects > MAX_OBJECTS) throw this.#damaged(`its pickle makes more than ${MAX_OBJECTS} objects`);
  }

  /** Where the next bytes lie. */
  #skip(length: number): number {
    const begin = this.#at;
    if (length > this.bytes.length - begin) throw this.#damaged("its pickle ends too early");
    this.#at += length;
    return begin;
  }

  #uint8(): number {
    return this.bytes[this.#skip(1)];
  }

  #uint32(): number {
    return this.#view.getUint32(this.#skip(4), true);
  }

  #uint64(): number {
    return Number(this.#view.getBigUint64(this.#skip(8), true));
  }

  /** A little-endian two's complement integer. */
  #integer(length: number): number {
    if (length > MAX_INTEGER_BYTES) throw this.#damaged(`its pickle has an integer of ${length} bytes`);
    let value = 0n;
    for (let i = 0; i < length; i++) value |= BigInt(this.#uint8()) << BigInt(8 * i);
    return Number(BigInt.asIntN(8 * length, value));
  }

  #text(length: number): string {
    const begin = this.#skip(length);
    try {
      return this.#decoder.decode(this.bytes.subarray(begin, begin + length));
    } catch {
      throw this.#damaged("its pickle has text that is not valid UTF-8");
    }
  }

  #line(): string {
    const end = this.bytes.indexOf(0x0a, this.#at);
    if (end < 0) throw this.#damaged("its pickle ends too early");
    const text = this.#text(end - this.#at);
    this.#at++;
    return text;
  }

  #damaged(what: string): PickleError {
    return new PickleError(`${this.source}: ${what}. The file is damaged or no state dict; download or save it again.`);
  }
}
