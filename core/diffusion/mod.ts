export * from "./channel.ts";
export * from "./gaussian.ts";
export * from "./likelihood.ts";
export * from "./logsnr.ts";
