import { constants } from "./constants.ts";
import { elementwise } from "./elementwise.ts";
import type { Kernel } from "./kernel.ts";
import { reductions } from "./reductions.ts";
import { shapes } from "./shapes.ts";

/** How each tfjs kernel is recorded, by its name in tfjs. */
export const kernels: Readonly<Record<string, Kernel>> = { ...constants, ...elementwise, ...reductions, ...shapes };
