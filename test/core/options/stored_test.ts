import { deepEqual, ok, throws } from "assert";
import { UserError } from "../../../core/errors/user_error.ts";
import { storedOptions } from "../../../core/options/stored.ts";

const SPECS = {
  size: { default: 128, min: 1, integer: true, help: "" },
  rate: { default: 0.1, above: 0, help: "" },
  skip: { default: "gaussian", choices: ["gaussian", "none"], help: "" },
  path: { default: "", help: "" },
  fast: { default: false, help: "" },
} as const;

Deno.test("values that a file keeps are those that the options allow", () => {
  const notes: string[] = [];
  const of = (stored: Record<string, number | string | boolean>) =>
    storedOptions("run/config.json", "denoiser mlp", SPECS, stored, (note) => notes.push(note));
  const whole = { size: 8, rate: 1e-7, skip: "none", path: "", fast: true };
  deepEqual(of(whole), whole);
  // What an earlier version kept, and what is not known by now, stay.
  deepEqual(of({ ...whole, skip: true, gone: 3 }), { ...whole, skip: true, gone: 3 });
  deepEqual(notes, []);
  deepEqual(of({ rate: 1 }), { rate: 1, size: 128 });
  deepEqual(notes, ["size of the denoiser mlp is not in run/config.json; its default 128 is taken"]);
  for (const [key, value] of Object.entries({ size: -5, rate: 0, skip: "all", fast: "yes" })) {
    throws(() => of({ ...whole, [key]: value }), (error) => {
      ok(error instanceof UserError, String(error));
      ok(error.message.startsWith(`run/config.json is damaged: ${key} of the denoiser mlp is `), error.message);
      return !error.message.includes("\n");
    });
  }
  for (const value of [1.5, "8", null, true]) {
    throws(
      () => of({ ...whole, size: value as number }),
      /size of the denoiser mlp is .*, expected a whole number of at/,
    );
  }
});
