import { UserError } from "../errors/user_error.ts";

/** What a denoiser is called in a run whose denoiser a program gave. */
export const GIVEN = "given by a program";

/** Says why a run whose denoiser a program gave cannot be opened without it. */
export function requireNamed(denoiser: string): void {
  if (denoiser !== GIVEN) return;
  throw new UserError(
    "The model's denoiser was given by a program, so that it has no name to load it by. Load it in a program, with the " +
      "option denoiser.",
  );
}
