export * from "./channel.ts";
export * from "./likelihood.ts";
export * from "./logsnr.ts";
