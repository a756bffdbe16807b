import { plainAttentions } from "./block.ts";
import { plainDown } from "./down.ts";

/** Residual blocks with attention, and a convolution of stride 2 or, as `downsample_type` says, a residual block. */
export const AttnDownBlock2D = plainDown(plainAttentions, ({ downsampleType }) => downsampleType);
