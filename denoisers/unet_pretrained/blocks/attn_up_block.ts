import { plainAttentions } from "./block.ts";
import { plainUp } from "./up.ts";

/** Residual blocks with attention, and a convolution or, as `upsample_type` says, a residual block in twice the size. */
export const AttnUpBlock2D = plainUp(plainAttentions, ({ upsampleType }) => upsampleType);
