/**
 * The largest error that passes, relative to the largest value of a tensor: float32 gives a few 1e-7, arithmetic of
 * fewer bits, as TF32, about 1e-3.
 */
export const TOLERANCE = 1e-5;

/** Points in a training step that is timed. */
export const BATCH = 128;

/** Images of the convolution that is timed, their channels and their sides. */
export const IMAGES = 8;
export const CHANNELS = 64;
export const SIDE = 16;
