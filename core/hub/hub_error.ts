import { UserError } from "../errors/user_error.ts";
import { HttpError } from "../io/http.ts";

/** A model that cannot be had from the hub, its cache or a folder. The message says what to do. */
export class HubError extends UserError {}

/** A model with several variants of its weights, none of which is named. */
export class SeveralVariantsError extends HubError {}

/** What was asked for, for messages. */
export interface Asked {
  readonly id: string;
  readonly revision: string;
  /** The hub's address. */
  readonly endpoint: string;
  readonly token: string | undefined;
}

/** The error for a failed request about a model: one that says what the hub's status means, where it has one. */
export function explainHubError(error: unknown, { id, revision, endpoint, token }: Asked, file?: string): unknown {
  if (!(error instanceof HttpError)) return error;
  const { status, headers } = error, code = headers.get("x-error-code"), { host } = new URL(endpoint);
  const because = (message: string) => new HubError(message, { cause: error });
  if (code === "GatedRepo" || status === 403) {
    const then = token ? "with the account of HF_TOKEN" : "and set HF_TOKEN to a token of your account";
    return because(`${id} is open only to those who agree to its terms: do so at ${endpoint}/${id}, ${then}.`);
  }
  if (code === "RevisionNotFound") return because(`${id} has no revision "${revision}" on ${host}. Name another one.`);
  if (code === "EntryNotFound" && file) {
    return because(`${id} has no file ${file} at revision "${revision}" on ${host}.`);
  }
  if (status === 401 && token && code !== "RepoNotFound") {
    return because(`${host} refuses the token in HF_TOKEN. Set it to a valid one, or unset it for a public model.`);
  }
  if (status === 401 || status === 404) {
    const private_ = token ? "or HF_TOKEN's account cannot see it" : "or it is private: set HF_TOKEN";
    const at = revision === "main" ? "" : `, revision "${revision}",`;
    return because(`${host} has no model ${id}${at} ${private_}. Check the name.`);
  }
  const why = status === 429 ? "asks for fewer requests" : `fails with status ${status}`;
  return because(`${host} ${why} for ${id}. Try again later, or set HF_HUB_OFFLINE=1 to use what is in the cache.`);
}
