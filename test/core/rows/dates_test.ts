import { deepEqual, equal, ok } from "assert";
import { DATE_FORMATS, DateFinder, DAY } from "../../../core/rows/dates.ts";

const days = (text: string) => Date.parse(text) / DAY;

Deno.test("every form of dates is read as it is written", () => {
  ok(DATE_FORMATS.size > 100);
  for (const [name, format] of DATE_FORMATS) {
    for (let i = 0; i < 40; i++) {
      // Two digits are a year from 1969 to 2068.
      const time = Date.UTC(
        1970 + i * 7 % 95,
        i * 5 % 12,
        1 + i * 11 % 28,
        i * 13 % 24,
        i * 17 % 60,
        i * 19 % 60,
        i * 23 % 1000,
      );
      const text = format.write(time / DAY), read = format.read(text);
      ok(Number.isFinite(read), `${name}: ${text}`);
      equal(format.write(read), text, name);
      const far = name.includes("D") ? (name.includes("ss") ? 1 / 86_400 : name.includes("mm") ? 1 / 1440 : 1) : 17;
      ok(Math.abs(read - time / DAY) <= far, `${name}: ${text}`);
    }
  }
});

Deno.test("days that no calendar has, and texts of another form, are not read", () => {
  const read = (name: string, text: string) => DATE_FORMATS.get(name)!.read(text);
  for (
    const text of [
      "2001-02-29",
      "2001-13-01",
      "2001-00-10",
      "2001-01-32",
      "2001-04-31",
      "01-01-2001",
      "2001-01-01x",
      "",
      "2001-1",
    ]
  ) {
    ok(Number.isNaN(read("YYYY-MM-DD", text)), text);
  }
  equal(read("YYYY-MM-DD", "2000-02-29"), days("2000-02-29"));
  equal(read("YYYY-MM-DD", "0001-01-01"), days("0001-01-01"));
  equal(read("YYYY-MM-DD HH:mm", "2001-01-01 9:05"), days("2001-01-01T09:05Z"));
  ok(Number.isNaN(read("YYYY-MM-DD HH:mm", "2001-01-01 24:00")));
  equal(read("YYYY-MM-DDTHH:mm:ssZ", "2001-01-01T00:00:00+01:00"), days("2000-12-31T23:00Z"));
  equal(read("YYYY-MM-DDTHH:mm:ss.SSSZ", "2001-01-01T00:00:00.25Z"), days("2001-01-01T00:00:00.250Z"));
  equal(read("MMM D, YYYY", "September 3, 2001"), days("2001-09-03"));
  equal(read("D MMM YYYY", "3 sept 2001"), days("2001-09-03"));
  equal(read("M/D/YYYY h:mm A", "9/3/2001 12:05 am"), days("2001-09-03T00:05Z"));
  equal(read("M/D/YYYY h:mm A", "9/3/2001 12:05 PM"), days("2001-09-03T12:05Z"));
  equal(read("M/D/YYYY h:mm A", "9/3/2001 1:05 PM"), days("2001-09-03T13:05Z"));
  ok(Number.isNaN(read("M/D/YYYY h:mm A", "9/3/2001 13:05 PM")));
  ok(Number.isNaN(read("M/D/YYYY h:mm A", "9/3/2001 0:05 AM")));
  ok(Number.isNaN(read("D MMM YYYY", "3 Sepx 2001")));
  equal(read("M/D/YY", "7/4/68"), days("2068-07-04"));
  equal(read("M/D/YY", "7/4/69"), days("1969-07-04"));
});

Deno.test("a time is written as the nearest that its form can say", () => {
  const write = (name: string, time: string) => DATE_FORMATS.get(name)!.write(days(time));
  equal(write("YYYY-MM-DD", "2001-12-31T11:59:00Z"), "2001-12-31");
  equal(write("YYYY-MM-DD", "2001-12-31T12:01:00Z"), "2002-01-01");
  equal(write("D.M.YYYY H:mm", "2001-02-03T04:05:31Z"), "3.2.2001 4:06");
  equal(write("YYYY-MM", "2001-12-14"), "2001-12");
  equal(write("YYYY-MM", "2001-12-20"), "2002-01");
  equal(DATE_FORMATS.get("YYYY-MM-DD")!.write(1e12), "");
});

Deno.test("a form that every text has is found, or none", () => {
  const found = (...texts: string[]) => {
    const finder = new DateFinder();
    for (const text of texts) finder.add(text);
    return finder.found;
  };
  deepEqual(found("2001-01-01", "2001-01-15", "2001-01-08"), {
    ...{ format: "YYYY-MM-DD", isAmbiguous: false, min: days("2001-01-01"), max: days("2001-01-15"), step: 7 },
    origin: days("2001-01-01"),
  });
  equal(found("1/2/2001", "13/2/2001")?.format, "D/M/YYYY");
  equal(found("1/13/2001", "1/2/2001")?.format, "M/D/YYYY");
  equal(found("1/13/2001", "13/1/2001"), undefined);
  equal(found("2001-01-01", "2001-01-01T10:00"), undefined);
  equal(found("2001-01-01T10:00:00", "2001-01-01T10:00:00.5")?.format, "YYYY-MM-DDTHH:mm:ss.SSS");
  equal(found("2001-01-01", "unknown"), undefined);
  equal(found(), undefined);
});
