import { skipUp } from "./skip_up.ts";

/** Residual blocks and one attention, beside an image. */
export const AttnSkipUpBlock2D = skipUp(
  ({ name, channels }) => ({ name: `${name}.attentions.0`, channels, groups: { count: 32 }, scale: Math.SQRT2 }),
  // As diffusers has it, which divides the way down's channels alone by four.
  (channels, skip) => ({ count: Math.min(channels + Math.floor(skip / 4), 32) }),
);
