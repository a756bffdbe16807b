/**
 * Points or images of a file. A command line gives the file's path in the place of a data set's name, `points.csv`, or
 * `photos.h5:x` for one of several data sets in a file; a folder of pictures is one as well.
 *
 * Rows are samples: `[n]` and `[n, d]` are points, `[n, h, w]` grey images, `[n, c, h, w]` and `[n, h, w, c]` images of
 * 1 to 4 channels. A file of several arrays may hold `train`, `validation` (or `val`) and `test`; otherwise a tenth of the
 * rows, drawn at random, validates.
 *
 * Points of numbers are standardised: every axis is brought to mean 0 and standard deviation 1 over the training rows, in
 * double precision. Bytes, and pictures in a range that is known, are scaled to [−1, 1]. The likelihood is that of the
 * values after this; `logScale` added to an NLL in nats gives that of the file's own values.
 *
 * @module
 */
export { load, options } from "../core/files/load_file.ts";
