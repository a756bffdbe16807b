/**
 * Another name of the data set `line`, for what it shows.
 *
 * @module
 */
export * from "./line.ts";
