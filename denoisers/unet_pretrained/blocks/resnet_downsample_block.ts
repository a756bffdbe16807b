import { plainDown } from "./down.ts";

/** Residual blocks, and one more that takes means of two by two pixels. */
export const ResnetDownsampleBlock2D = plainDown(() => [], () => "resnet");
