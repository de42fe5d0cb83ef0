import { trimEndOf, trimStartOf } from "../../base/text.ts";

/** The name of EXAI's own tools in the catalog, which no mounted server may take. */
export const OWN_SERVER_NAME = "exai";

const MAX_NAME_CHARS = 64;

/**
 * The name of a server in the catalog and in URLs, from the one in the file, which may be anything.
 *
 * @returns undefined when no letter, digit, `_` or `-` of ASCII is in it
 */
export function catalogName(title: string): string | undefined {
  const name = trimEndOf(trimStartOf(title.replace(/[^A-Za-z0-9_-]+/g, "-"), "-"), "-").slice(
    0,
    MAX_NAME_CHARS,
  );
  return name === "" ? undefined : name;
}
