import { quarterGroups } from "./block.ts";
import { skipUp } from "./skip_up.ts";

/** Residual blocks beside an image. */
export const SkipUpBlock2D = skipUp(() => undefined, (channels, skip) => quarterGroups(channels + skip));
