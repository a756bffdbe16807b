import { plainUp } from "./up.ts";

/** Residual blocks, the last of which doubles the image's size. */
export const ResnetUpsampleBlock2D = plainUp(() => [], () => "resnet");
