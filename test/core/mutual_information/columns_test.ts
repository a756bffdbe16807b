import { deepEqual, throws } from "assert";
import {
  ColumnError,
  describeColumn,
  parseColumns,
  requireDisjoint,
} from "../../../core/mutual_information/columns.ts";

const NAMES = ["height", "weight", "age-at-start", "income", "income"];

Deno.test("columns are numbers from 0, ranges and names", () => {
  deepEqual(parseColumns("--x", "0", 2), [0]);
  deepEqual(parseColumns("--x", "3, 0-1", 5), [3, 0, 1]);
  deepEqual(parseColumns("--x", "weight,age-at-start,0", 5, NAMES), [1, 2, 0]);
  deepEqual([describeColumn(1, NAMES), describeColumn(1, [])], ["1 (weight)", "1"]);
});

Deno.test("what is no column is refused", () => {
  for (
    const [text, message] of [
      ["5", /--x has 5, but the data has 5 columns, expected from 0 to 4/],
      ["3-1", /3-1, .* in ascending order/],
      ["0-99999999999", /0-99999999999, but the data has 5 columns/],
      ["wieght", /has "wieght", expected numbers from 0 to 4 or names .*Did you mean weight\?/],
      ["", /has "", expected/],
      ["-1", /has "-1", expected/],
      ["1.5", /has "1.5", expected/],
      ["0-2,weight", /has column 1 \(weight\) twice/],
      ["income", /"income", which several columns are called/],
    ] as const
  ) {
    throws(
      () => parseColumns("--x", text, 5, NAMES),
      (error) => error instanceof ColumnError && message.test(error.message),
    );
  }
  throws(() => requireDisjoint([0, 1], [2, 1], NAMES), /Column 1 \(weight\) is in both --x and --y/);
  requireDisjoint([0], [1], []);
});

Deno.test("a number is a place where there is such a column, and otherwise a name", () => {
  const pandas = ["1", "0"], years = ["2020", "2021"];
  deepEqual(parseColumns("--x", "0,1", 2, pandas), [0, 1]);
  deepEqual(parseColumns("--x", "2021,0", 2, years), [1, 0]);
  throws(() => parseColumns("--x", "2022", 2, years), /has 2022, but the data has 2 columns/);
});
