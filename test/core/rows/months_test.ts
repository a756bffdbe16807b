import { deepEqual, equal, ok } from "assert";
import { DAY } from "../../../core/rows/dates.ts";
import { daysOfMonths, monthsOf } from "../../../core/rows/months.ts";
import { tableOf } from "../tables/table.ts";

Deno.test("first days of months are whole months from January 1970 on, and come back", () => {
  const days = (text: string) => Date.parse(text) / DAY;
  deepEqual(["1970-01-01", "1970-02-01", "1969-12-01", "2020-03-01", "0001-01-01"].map(days).map(monthsOf), [
    ...[0, 1, -1, 602, -12 * 1969],
  ]);
  for (let i = -3000; i < 3000; i++) {
    const day = i * 37;
    ok(Math.abs(daysOfMonths(monthsOf(day)) - day) < 1e-6, `${day}`);
  }
  ok(Number.isNaN(daysOfMonths(1e12)));
  equal(monthsOf(days("2020-02-15T12:00Z")), 601.5);
});

Deno.test("dates that are first days of months are counted in months, of quarters in three", async () => {
  const rows = Array.from(
    { length: 40 },
    (_, i) => `2${String(i % 7).padStart(3, "0")}-0${1 + 3 * (i % 3)}-01,${i / 2}`,
  );
  const { cells, lines, schema } = await tableOf(`d,x\n${rows.join("\n")}\n`);
  equal(lines[0], "d  date in steps of 3 months, from 2000-01-01 to 2006-07-01");
  deepEqual(schema.columns[0], {
    ...{ name: "d", kind: "date", months: true, step: 3, format: "YYYY-MM-DD", min: 360, max: 438 },
  });
  deepEqual(cells.slice(0, 3).map(([d]) => d), [360, 375, 390]);
  const other = await tableOf(`d,x\n${rows.join("\n")}\n2001-01-02,1\n`);
  equal(other.lines[0], "d  date in steps of a day, from 2000-01-01 to 2006-07-01");
});
