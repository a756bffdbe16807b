/** Milliseconds of a day. */
export const DAY = 86_400_000;

/** How days are written, in the order in which they are looked for. */
const DAYS = [
  ...["YYYY-MM-DD", "YYYY/MM/DD", "YYYY.MM.DD", "M/D/YYYY", "D/M/YYYY", "M/D/YY", "D/M/YY", "M-D-YYYY", "D-M-YYYY"],
  ...["D.M.YYYY", "D.M.YY", "MMM D YYYY", "MMM D, YYYY", "D MMM YYYY", "D-MMM-YYYY", "D-MMM-YY", "D MMM YY"],
  ...["YYYY-MM", "YYYY/MM", "MMM YYYY", "MMM-YY"],
] as const;

/** How the time of the day follows it. */
const TIMES = ["H:mm", "H:mm:ss", "H:mm:ss.SSS"] as const, HALF_DAYS = ["h:mm A", "h:mm:ss A"] as const;

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** The parts that a format is made of; what is not among them stands for itself. */
const PARTS = /YYYY|YY|MMMM|MMM|MM|M|DD|D|HH|H|hh|h|mm|ss|\.SSS|A|Z|./g;

/** What is read of each part: numbers of one digit are taken for those of two, and months by their whole names or short. */
const PATTERNS: Readonly<Record<string, string>> = {
  YYYY: "(\\d{4})",
  YY: "(\\d{2})",
  MMMM: "([A-Za-z]{3,9})\\.?",
  MMM: "([A-Za-z]{3,9})\\.?",
  MM: "(\\d{1,2})",
  M: "(\\d{1,2})",
  DD: "(\\d{1,2})",
  D: "(\\d{1,2})",
  HH: "(\\d{1,2})",
  H: "(\\d{1,2})",
  hh: "(\\d{1,2})",
  h: "(\\d{1,2})",
  A: "([AaPp][Mm])",
  mm: "(\\d{2})",
  ss: "(\\d{2})",
  ".SSS": "(?:\\.(\\d{1,9}))?",
  Z: "(Z|[+-]\\d{2}:?\\d{2})",
};

/** A way of writing dates, and times of the day. */
export interface DateFormat {
  /** As a schema has it: `YYYY-MM-DD`, `M/D/YYYY HH:mm`; `MM/DD/YYYY` is of days and months in two digits each. */
  readonly name: string;
  /** Days since 1970-01-01 UTC of a text; NaN for what is not written so. */
  read(text: string): number;
  /** The text of a time, to the nearest that the format can say. */
  write(days: number): string;
}

/** An hour that may have one digit. */
const HOUR = /\b[Hh]\b/;

/** The formats of a day, and with times after it. */
function withTimes(day: string): string[] {
  if (!day.includes("D")) return [day];
  const gaps = day === "YYYY-MM-DD" ? [" ", "TH"] : [" "];
  return [
    day,
    ...gaps.flatMap((gap) => TIMES.flatMap((time) => [`${day}${gap}${time}`, `${day}${gap}${time}Z`])),
    ...HALF_DAYS.map((time) => `${day} ${time}`),
  ];
}

/** The formats that are looked for: days and months of one digit may have one. */
const FOUND = DAYS.flatMap(withTimes).map(formatOf);

/** All formats, by name. */
export const DATE_FORMATS: ReadonlyMap<string, DateFormat> = new Map(
  FOUND.flatMap(({ name }) => variantsOf(name)).map((name) => [name, formatOf(name)]),
);

/** A form with months by their short names or whole ones, and days and hours of one digit or two. */
function variantsOf(name: string): string[] {
  return [name, name.replace("MMM", "MMMM")].flatMap((each) => [each, padded(each)])
    .flatMap((each) => [each, withLongHours(each)]);
}

/** A form whose hours have two digits. */
function withLongHours(name: string): string {
  return name.replace(HOUR, (hour) => hour + hour);
}

/** A form whose days and months have two digits each. */
function padded(name: string): string {
  return name.replace(/\bM\b/, "MM").replace(/\bD\b/, "DD");
}

function formatOf(name: string): DateFormat {
  const parts = name.match(PARTS)!;
  const known = parts.filter((part) => Object.hasOwn(PATTERNS, part));
  const pattern = new RegExp(
    "^" + parts.map((part) => PATTERNS[part] ?? (part === " " ? " +" : part.replace(/[.]/, "\\."))).join("") + "$",
  );
  return {
    name,
    read(text) {
      const got = pattern.exec(text);
      if (!got) return NaN;
      let [year, month, day, hour, minute, second, millisecond, zone] = [1970, 1, 1, 0, 0, 0, 0, 0];
      for (const [k, part] of known.entries()) {
        const said = got[k + 1], value = Number(said);
        if (part === "YYYY") year = value;
        else if (part === "YY") year = value + (value < 69 ? 2000 : 1900);
        else if (part === "MMM" || part === "MMMM") month = monthOf(said);
        else if (part === "MM" || part === "M") month = value;
        else if (part === "DD" || part === "D") day = value;
        else if (part === "HH" || part === "H" || part === "hh" || part === "h") hour = value;
        else if (part === "A") hour = hour < 1 || hour > 12 ? NaN : hour % 12 + (/p/i.test(said) ? 12 : 0);
        else if (part === "mm") minute = value;
        else if (part === "ss") second = value;
        else if (part === ".SSS") millisecond = Math.floor(1000 * Number(`0.${said ?? 0}`));
        else if (said !== "Z") {
          zone = (said[0] === "-" ? -1 : 1) * (60 * Number(said.slice(1, 3)) + Number(said.slice(-2)));
        }
      }
      if (!(month >= 1 && month <= 12 && day >= 1 && day <= daysOf(year, month))) return NaN;
      if (!(hour <= 23) || minute > 59 || second > 59 || Math.abs(zone) > 15 * 60) return NaN;
      const date = new Date(0);
      date.setUTCFullYear(year, month - 1, day);
      date.setUTCHours(hour, minute - zone, second, millisecond);
      return date.getTime() / DAY;
    },
    write(days) {
      const date = new Date(roundedTo(name, days));
      if (Number.isNaN(date.getTime())) return "";
      const digits = (value: number, count: number) => String(value).padStart(count, "0");
      const month = date.getUTCMonth(), day = date.getUTCDate();
      return parts.map((part) => {
        switch (part) {
          case "YYYY":
            return digits(date.getUTCFullYear(), 4);
          case "YY":
            return digits(date.getUTCFullYear() % 100, 2);
          case "MMMM":
            return LONG_MONTHS[month];
          case "MMM":
            return MONTHS[month];
          case "MM":
            return digits(month + 1, 2);
          case "M":
            return String(month + 1);
          case "DD":
            return digits(day, 2);
          case "D":
            return String(day);
          case "HH":
            return digits(date.getUTCHours(), 2);
          case "mm":
            return digits(date.getUTCMinutes(), 2);
          case "ss":
            return digits(date.getUTCSeconds(), 2);
          case "H":
            return String(date.getUTCHours());
          case "hh":
            return digits((date.getUTCHours() + 11) % 12 + 1, 2);
          case "h":
            return String((date.getUTCHours() + 11) % 12 + 1);
          case "A":
            return date.getUTCHours() < 12 ? "AM" : "PM";
          case ".SSS":
            return `.${digits(date.getUTCMilliseconds(), 3)}`;
          default:
            return part;
        }
      }).join("");
    },
  };
}

/** The nearest time in milliseconds that a format can say. */
function roundedTo(name: string, days: number): number {
  const step = name.includes("SSS") ? 1 : name.includes("ss") ? 1000 : name.includes("mm") ? 60_000 : DAY;
  const time = step * Math.round(days * DAY / step);
  if (name.includes("D")) return time;
  // Of a month, the first day of the nearest.
  const date = new Date(time), month = date.getUTCMonth(), year = date.getUTCFullYear();
  const isLate = date.getUTCDate() > daysOf(year, month + 1) / 2 + 1;
  return Date.UTC(year, month + (isLate ? 1 : 0), 1);
}

function daysOf(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** The number of a month by its name, or the beginning of it; NaN for another word. */
function monthOf(word: string): number {
  const name = word[0].toUpperCase() + word.slice(1, 3).toLowerCase(), month = MONTHS.indexOf(name);
  return month >= 0 && LONG_MONTHS[month].toLowerCase().startsWith(word.toLowerCase()) ? month + 1 : NaN;
}

const LONG_MONTHS = [
  ...["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November"],
  "December",
];

/** Which formats a column of texts may be written in, as far as they tell. */
export class DateFinder {
  /** The formats that every text has been read by. */
  #candidates: readonly DateFormat[] | undefined;
  /** Whether every day and month, and every hour, had two digits. */
  #hasLongDays = true;
  #hasLongHours = true;
  /** Whether months have their whole names: all that were met, and one that has a short one. */
  #isLongMonth: boolean | undefined;
  /** Of each candidate. */
  readonly #steps = new Map<DateFormat, DateSteps>();
  /** Whether no format is left. */
  isOver = false;

  /** Takes in a text. */
  add(text: string): void {
    if (this.isOver) return;
    if (text.length < 5 || text.length > 40 || !/\d/.test(text)) {
      this.isOver = true;
      return;
    }
    this.#candidates ??= FOUND;
    let isLost = false;
    for (const format of this.#candidates) {
      const days = format.read(text);
      if (Number.isNaN(days)) {
        isLost = true;
        this.#steps.set(format, LOST);
        continue;
      }
      let steps = this.#steps.get(format);
      if (!steps) this.#steps.set(format, steps = new DateSteps());
      steps.add(Math.round(days * DAY));
    }
    if (isLost) {
      this.#candidates = this.#candidates.filter((format) => this.#steps.get(format) !== LOST);
      this.isOver = this.#candidates.length === 0;
    }
    const word = /[A-Za-z]{3,}/.exec(text)?.[0].toLowerCase();
    if (word !== undefined && word !== "may") {
      this.#isLongMonth = this.#isLongMonth !== false && LONG_MONTHS.some((month) => month.toLowerCase() === word);
    }
    if (this.#hasLongHours && / \d:/.test(text)) this.#hasLongHours = false;
    if (this.#hasLongDays && /(^|\D)\d(\D|$)/.test(text.replace(/[ T]\d{1,2}:.*/, ""))) this.#hasLongDays = false;
  }

  /** What was found, of the format that is looked for first. */
  get found(): FoundDates | undefined {
    return this.as();
  }

  /** What was found, of a format by its name, or of the first; nothing where texts are not written so. */
  as(format?: string): FoundDates | undefined {
    const candidates = this.isOver ? undefined : this.#candidates;
    const first = format === undefined ? candidates?.[0] : candidates?.find(({ name }) => isLike(name, format));
    if (!candidates || !first) return undefined;
    const days = this.#hasLongDays ? padded(first.name) : first.name;
    const hours = this.#hasLongHours ? withLongHours(days) : days;
    const name = this.#isLongMonth ? hours.replace("MMM", "MMMM") : hours;
    const { min, max, step, origin, months } = this.#steps.get(first)!;
    return {
      format: format ?? name,
      isAmbiguous: first.name[0] === "M" && candidates.some((other) => other.name[0] === "D"),
      min: min / DAY,
      max: max / DAY,
      step: (step || DAY) / DAY,
      origin: origin / DAY,
      ...(months ? { months } : {}),
    };
  }
}

/** Whether a format, as it is looked for, is the one that is meant but for the digits of its numbers. */
function isLike(name: string, meant: string): boolean {
  return variantsOf(name).includes(meant);
}

/** How dates of a column are written, and where they lie, in days. */
export interface FoundDates {
  readonly format: string;
  /** Whether the day and the month may be the other way round. */
  readonly isAmbiguous: boolean;
  readonly min: number;
  readonly max: number;
  /** The greatest common divisor of their differences. */
  readonly step: number;
  /** One of them. */
  readonly origin: number;
  /** The greatest common divisor of the differences in months, where all are first days of such; months since 1970. */
  readonly months?: MonthSteps;
}

/** Where first days of months lie, in months since January 1970. */
export interface MonthSteps {
  readonly step: number;
  readonly origin: number;
}

/** Where times lie, in milliseconds. */
export class DateSteps {
  min = Infinity;
  max = -Infinity;
  /** The greatest common divisor of the differences, 0 where there are none. */
  step = 0;
  origin = NaN;
  #areFirsts = true;
  #monthStep = 0;
  #monthOrigin = NaN;

  /** The steps in months, of two first days of such at least and no other times. */
  get months(): MonthSteps | undefined {
    return this.#areFirsts && this.#monthStep > 0 ? { step: this.#monthStep, origin: this.#monthOrigin } : undefined;
  }

  add(time: number): void {
    if (this.#areFirsts) this.#addMonth(new Date(time));
    if (Number.isNaN(this.origin)) this.origin = time;
    if (time < this.min) this.min = time;
    if (time > this.max) this.max = time;
    if (this.step === 1) return;
    this.step = commonDivisor(Math.abs(time - this.origin), this.step);
  }

  #addMonth(date: Date): void {
    if (date.getUTCDate() !== 1 || date.getTime() % DAY !== 0) {
      this.#areFirsts = false;
      return;
    }
    const month = 12 * (date.getUTCFullYear() - 1970) + date.getUTCMonth();
    if (Number.isNaN(this.#monthOrigin)) this.#monthOrigin = month;
    this.#monthStep = commonDivisor(Math.abs(month - this.#monthOrigin), this.#monthStep);
  }
}

/** The greatest common divisor of two whole numbers. */
function commonDivisor(a: number, b: number): number {
  while (a > 0) [a, b] = [b % a, a];
  return b;
}

const LOST = new DateSteps();
