import { equal, ok } from "assert";
import { toGroupedNumber, toNumber } from "../../../core/io/decimal.ts";
import { Random } from "../../../core/random/random.ts";

const read = (text: string) => {
  const bytes = new TextEncoder().encode(`xx${text}yy`);
  return toNumber(bytes, 2, bytes.length - 2);
};

Deno.test("decimals are rounded as the language rounds them", () => {
  const random = Random.fromSeed(3);
  const digits = (n: number) => Array.from({ length: n }, () => random.integer(10)).join("");
  for (let i = 0; i < 200_000; i++) {
    const sign = ["", "-", "+"][random.integer(3)], whole = digits(random.integer(13));
    const part = digits(random.integer(14)), dot = part !== "" || random.integer(2) === 0 ? "." : "";
    const text = `${sign}${whole}${dot}${part}`;
    if (whole + part === "") continue;
    const value = read(text);
    if (value !== Number(text)) equal(value, Number(text), text);
  }
});

Deno.test("the decimals nearest to the middle of two float64, and their neighbours, are rounded to even", () => {
  const random = Random.fromSeed(4), words = new BigUint64Array(1), number = new Float64Array(words.buffer);
  for (let i = 0; i < 20_000; i++) {
    number[0] = random.integer(2 ** 20) / 2 ** random.integer(24) + 1;
    const low = number[0];
    words[0]++;
    const middle = low + (number[0] - low) / 2;
    for (const text of [low.toFixed(22), middle.toFixed(20), ((low + number[0]) / 2).toPrecision(21)]) {
      equal(read(text), Number(text), text);
    }
  }
  // Whole numbers between 2^53 and 2^54 have middles that are whole.
  for (let i = 0n; i < 2000n; i++) {
    const text = `${2n ** 53n + 2n * i + 1n}`;
    equal(read(text), Number(text), text);
  }
});

Deno.test("exponents, extremes and what is no number", () => {
  for (
    const text of [
      "1e5",
      "-2.5E-3",
      "1e308",
      "4.9e-324",
      "0.000000000000000000000000000001",
      "123456789012345678901234567890",
    ]
  ) equal(read(text), Number(text), text);
  ok(Object.is(read("-0.0"), -0) && read("1.") === 1 && read(".5") === 0.5 && read("1e999") === Infinity);
  for (const text of ["", ".", "-", "+.", "1e", "e5", "1.2.3", "--1", "0x10", "1_000", "1 2", "nan", "inf", "1e5.0"]) {
    ok(Number.isNaN(read(text)), text);
  }
});

Deno.test("digits in groups of three are a number, and nothing else is", () => {
  const grouped = (text: string, point?: "." | ",") => {
    const bytes = new TextEncoder().encode(`xx${text}yy`);
    return toGroupedNumber(bytes, 2, bytes.length - 2, point);
  };
  equal(grouped("1,234"), 1234);
  equal(grouped("-12,345,678.25"), -12345678.25);
  equal(grouped("+123,456e2"), 12345600);
  equal(grouped("1.234.567,5", ","), 1234567.5);
  for (
    const text of [
      "1",
      "1234",
      "1,23",
      "1,2345",
      "1234,567",
      ",123",
      "0,123",
      "1,234,5",
      "1,234,",
      "1,234.5,678",
      "1,,234",
    ]
  ) {
    ok(Number.isNaN(grouped(text)), text);
  }
  for (const text of ["1,234x", "1.234", "", "-", "1,234 5"]) ok(Number.isNaN(grouped(text)), text);
});
