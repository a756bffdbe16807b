import type { DateColumn } from "./column_types.ts";
import { DATE_FORMATS, DAY } from "./dates.ts";

/** Months since January 1970 of days since its first, with the part of the month that has passed. */
export function monthsOf(days: number): number {
  const date = new Date(days * DAY), year = date.getUTCFullYear(), month = date.getUTCMonth();
  const begin = firstOf(year, month), end = firstOf(year, month + 1);
  return 12 * (year - 1970) + month + (days - begin) / (end - begin);
}

/** Days since 1970-01-01 of months since January 1970. */
export function daysOfMonths(months: number): number {
  const whole = Math.floor(months), begin = firstOf(1970, whole);
  return begin + (months - whole) * (firstOf(1970, whole + 1) - begin);
}

/** The days to the first of a month, of which more than twelve are of later years. */
function firstOf(year: number, month: number): number {
  const date = new Date(0);
  date.setUTCFullYear(year, month, 1);
  return date.getTime() / DAY;
}

/** A column's value for a date in days: months, of a column of first days of months. */
export function dateValue({ months }: DateColumn, days: number): number {
  return months ? monthsOf(days) : days;
}

/** A column's value as its table writes dates; nothing for what is none. */
export function dateText({ months, format }: DateColumn, value: number): string | undefined {
  return DATE_FORMATS.get(format)?.write(months ? daysOfMonths(value) : value) || undefined;
}
