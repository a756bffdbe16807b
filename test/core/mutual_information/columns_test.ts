import { deepEqual, rejects, throws } from "assert";
import { join } from "node:path";
import {
  ColumnError,
  csvHeader,
  describeColumn,
  parseColumns,
  requireDisjoint,
} from "../../../core/mutual_information/columns.ts";
import { UserError } from "../../../core/errors/user_error.ts";
import { Random } from "../../../core/random/random.ts";
import { inFolder } from "../../folders.ts";

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

Deno.test("a CSV file's header is found whatever its delimiter; damaged ones are a header or a UserError", () =>
  inFolder(async (folder) => {
    const path = join(folder, "a.csv");
    await Deno.writeTextFile(path, '\ufeffa;"b; c"; d\r\n1;2;3\r\n');
    deepEqual(await csvHeader(path), ["a", "b; c", "d"]);
    await Deno.writeTextFile(path, "0,0\n1,2\n");
    deepEqual(await csvHeader(path), []);
    await Deno.writeTextFile(path, "");
    deepEqual(await csvHeader(path), []);
    await Deno.writeTextFile(path, '"a,b\n1,2\n');
    await rejects(() => csvHeader(path), /first line that is no CSV/);
    await rejects(() => csvHeader(join(folder, "none.csv")), /there is no such file/);
    const random = Random.fromSeed(1), valid = new TextEncoder().encode('x,"y ""1""",z\n1,2,3\n');
    for (let i = 0; i < 200; i++) {
      const bytes = valid.slice();
      for (let j = 0; j < 3; j++) bytes[random.integer(bytes.length)] = random.integer(256);
      await Deno.writeFile(path, bytes);
      await csvHeader(path).catch((error) => {
        if (!(error instanceof UserError)) throw error;
      });
    }
  }));
