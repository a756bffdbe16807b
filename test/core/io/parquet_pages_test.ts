import { deepEqual, equal, throws } from "assert";
import { checkedPages, type ChunkFacts } from "../../../core/io/parquet_pages.ts";
import { readThrift, ThriftError } from "../../../core/io/thrift.ts";

// Encodings and types of pages, as parquet.thrift numbers them.
const PLAIN = 0, RLE = 3, DELTA = 5, RLE_DICTIONARY = 8, DATA_PAGE = 0, DICTIONARY_PAGE = 2;

function varint(n: number): number[] {
  return n < 128 ? [n] : [n % 128 + 128, ...varint(Math.floor(n / 128))];
}

/** A field of 32 bits that follows the one before it, or by so many. */
const field = (value: number, step = 1) => [step << 4 | 5, ...varint(2 * value)];

function page(type: number, head: readonly number[], contents: readonly number[]): number[] {
  const size = contents.length, isData = type === DATA_PAGE;
  const start = [...field(type), ...field(size), ...field(size)];
  return [...start, (isData ? 2 : 4) << 4 | 12, ...head, 0, 0, ...contents];
}

const dataPage = (count: number, encoding: number, contents: readonly number[]) =>
  page(DATA_PAGE, [...field(count), ...field(encoding), ...field(RLE), ...field(RLE)], contents);

const dictionaryPage = (count: number, contents: readonly number[]) =>
  page(DICTIONARY_PAGE, [...field(count), ...field(PLAIN)], contents);

const FACTS: ChunkFacts = { rows: 4, width: 4, nullable: false, maxPageBytes: 1000 };
const FOUR = Array.from({ length: 16 }, (_, i) => i);

const check = (bytes: readonly number[], facts: Partial<ChunkFacts> = {}) =>
  checkedPages(Uint8Array.from(bytes), { ...FACTS, ...facts });

function refused(bytes: readonly number[], message: string, facts: Partial<ChunkFacts> = {}): void {
  throws(() => check(bytes, facts), (error) => {
    equal(error instanceof ThriftError && error.message, message);
    return true;
  });
}

/** The marks of missing values, as runs, behind their length. */
const levels = (...runs: number[]) => [runs.length, 0, 0, 0, ...runs];

Deno.test("pages whose counts are those of their bytes are let through", () => {
  equal(check(dataPage(4, PLAIN, FOUR)).size, 0);
  check([...dataPage(1, PLAIN, FOUR.slice(0, 4)), ...dataPage(3, PLAIN, FOUR.slice(4))]);
  check(dataPage(4, PLAIN, [...levels(8, 1), ...FOUR]), { nullable: true });
  check(dataPage(4, PLAIN, [...levels(3, 0b0101), ...FOUR.slice(8)]), { nullable: true });
  check([...dictionaryPage(2, FOUR.slice(8)), ...dataPage(4, RLE_DICTIONARY, [1, 8, 1])]);
  const unpack = (packed: Uint8Array, bytes: number) => {
    deepEqual([...packed], [1, 2, 3]);
    return new Uint8Array(bytes);
  };
  const packed = dataPage(4, PLAIN, [1, 2, 3]);
  packed[3] = 2 * 16;
  equal([...check(packed, { unpack }).values()][0].length, 16);
});

Deno.test("counts, runs and indices beyond what there is are refused", () => {
  refused(dataPage(4, PLAIN, FOUR.slice(1)), "a page of it is too short");
  refused(dataPage(5, PLAIN, [...FOUR, 0, 0, 0, 0]), "its pages claim more values than it has rows");
  refused(dataPage(4, 99, FOUR), "it has the encoding 99, which is not read");
  refused(dataPage(4, PLAIN, FOUR).slice(0, -1), "a page ends after its column");
  refused(dataPage(4, PLAIN, FOUR), "its pages claim more bytes than there can be", { maxPageBytes: 15 });
  // A run of a billion marks, for which the library would make room.
  const billion = [...levels(...varint(2e9), 1), ...FOUR];
  refused(dataPage(4, PLAIN, billion), "its pages claim more values than it has rows", { nullable: true });
  refused(
    dataPage(4, PLAIN, [...levels(...varint(2e8 + 1), 1), ...FOUR]),
    "its pages claim more values than it has rows",
    {
      nullable: true,
    },
  );
  const dictionary = dictionaryPage(2, FOUR.slice(8));
  const index = "it refers to a value that its dictionary does not have";
  refused([...dictionary, ...dataPage(4, RLE_DICTIONARY, [2, 8, 2])], index);
  refused([...dictionary, ...dataPage(4, RLE_DICTIONARY, [2, 3, 0b10_00_00_00, 0])], index);
  refused(dataPage(4, RLE_DICTIONARY, [1, 8, 1]), "it lacks its dictionary");
  refused([...dictionary, ...dataPage(4, RLE_DICTIONARY, [40, 8, 1])], "its numbers have 40 bits");
  refused(dataPage(4, DELTA, [...varint(128), ...varint(4), 5, 0]), "its differences are not as many as claimed");
  refused(dataPage(4, DELTA, [...varint(1e6), ...varint(4), 4, 0]), "its differences are not as many as claimed");
});

Deno.test("structures are read with bounded lengths, counts and depth", () => {
  const { fields, end } = readThrift(Uint8Array.of(0x15, 7, 0x18, 2, 65, 66, 0x19, 0x25, 2, 4, 0x11, 0, 9), 0);
  deepEqual([...fields], [[1, -4], [2, Uint8Array.of(65, 66)], [3, [1, 2]], [4, true]]);
  equal(end, 12);
  const damaged = (bytes: readonly number[], message: RegExp) =>
    throws(() => readThrift(Uint8Array.from(bytes), 0), message);
  damaged([0x18, ...varint(2 ** 31), 65], /it ends too early/);
  damaged([0x19, 0xf5, ...varint(2 ** 31), 1], /a list in it is longer than what follows/);
  damaged(Array.from({ length: 100 }, () => 0x1c), /nest too deeply/);
  damaged([0x15, ...new Array(20).fill(255)], /an integer in it never ends/);
  damaged([0x1d, 0], /unknown type 13/);
  damaged([], /it ends too early/);
});
