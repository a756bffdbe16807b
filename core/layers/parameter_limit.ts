import { UserError } from "../errors/user_error.ts";

/** The most parameters that a network is made with: a gigabyte of them, of which training holds several times as much. */
export const MAX_PARAMETERS = 2 ** 28;

/**
 * Refuses a network before anything of it is allocated.
 *
 * @param count Of its parameters.
 * @param what Of which options it follows, as the beginning of a sentence that ends "describe a network of …".
 * @throws {UserError} When they are more than {@linkcode MAX_PARAMETERS}.
 */
export function requireParameters(count: number, what: string): void {
  if (count <= MAX_PARAMETERS) return;
  const [shown, most] = [count, MAX_PARAMETERS].map((n) => n.toLocaleString("en"));
  throw new UserError(`${what} describe a network of ${shown} parameters, but at most ${most} are made. Give less.`);
}
