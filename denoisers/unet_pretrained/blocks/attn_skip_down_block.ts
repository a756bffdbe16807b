import { skipDown } from "./skip_down.ts";

/** Residual blocks with attention, beside the image. */
export const AttnSkipDownBlock2D = skipDown((_, { name, inputs, channels }) =>
  inputs.map((_, j) => ({ name: `${name}.attentions.${j}`, channels, groups: { count: 32 }, scale: Math.SQRT2 }))
);
