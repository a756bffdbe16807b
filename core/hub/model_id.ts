import { HubError } from "./hub_error.ts";

/** A model on the hub at a revision. */
export interface ModelId {
  /** `organisation/name`, or the name alone for the hub's oldest models. */
  readonly id: string;
  readonly revision: string;
}

const ID = /^[A-Za-z0-9](?:[\w.-]*\w)?(?:\/[A-Za-z0-9](?:[\w.-]*\w)?)?$/;
const REVISION = /^[\w][\w./+-]*$/;

/**
 * Parses `organisation/name` or `organisation/name@revision`.
 *
 * @param revision The revision where the text has none.
 * @throws HubError for a text that cannot name a model. What it names is safe as a part of paths and URLs.
 */
export function parseModelId(text: string, revision = "main"): ModelId {
  const at = text.indexOf("@"), id = at < 0 ? text : text.slice(0, at);
  if (!isModelName(id)) {
    throw new HubError(`"${text}" is not the name of a model on the hub, such as google/ddpm-cifar10-32. Check it.`);
  }
  const named = at < 0 ? revision : text.slice(at + 1);
  if (!REVISION.test(named) || named.length > 200 || /\.\.|\/\/|\/\.|\/$/.test(named)) {
    throw new HubError(`"${named}" is not a revision of ${id}. Name a branch, a tag or a commit.`);
  }
  return { id, revision: named };
}

/** Whether a text can be the name of a model on the hub, by the hub's own rules. */
export function isModelName(text: string): boolean {
  return text.length <= 96 && ID.test(text) && !/--|\.\./.test(text);
}
