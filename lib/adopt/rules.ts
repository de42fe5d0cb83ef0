import { isObject, type Json } from "../base/json.ts";
import { readFileImage } from "../documents/files.ts";
import { JSONC } from "../documents/jsonc.ts";
import type { ClientProfile, RuleSource } from "./client_profile.ts";
import { existing, type SearchScope } from "./find.ts";

/** A file with rules of one client. */
export interface FoundRules {
  client: ClientProfile;
  path: string;
  /** Whether a rule is for the server of this name, or for a tool of it. */
  isFor(server: string): boolean;
}

/** Reads what the clients' tools may do, as far as that is in files. */
export async function readRules({ clients, ...scope }: SearchScope): Promise<FoundRules[]> {
  const found: FoundRules[] = [];
  for (const client of clients) {
    for (const source of client.rules ?? []) {
      for (const template of source.paths) {
        for (const { path } of await existing(template, scope)) {
          // A file that cannot be read has no rule in force, or is reported as one with servers.
          const image = await readFileImage(path).catch(() => undefined);
          if (image) found.push({ client, path, isFor: matcher(source, image.text) });
        }
      }
    }
  }
  return found;
}

function matcher({ under, names }: RuleSource, text: string): FoundRules["isFor"] {
  if (under === undefined) return (server) => names?.(server).test(text) ?? false;
  const document = JSONC.read(text);
  const texts = "reason" in document ? [] : textsUnder(document.value, under);
  return (server) => texts.some((one) => one === server || (names?.(server).test(one) ?? false));
}

/** Every text and key below one of the keys `under`; below any where that is the empty text. */
function textsUnder(
  value: Json | undefined,
  under: readonly string[],
  isInside = under.includes(""),
): string[] {
  if (typeof value === "string") return isInside ? [value] : [];
  if (Array.isArray(value)) return value.flatMap((item) => textsUnder(item, under, isInside));
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([key, item]) => [
    ...(isInside ? [key] : []),
    ...textsUnder(item, under, isInside || under.includes(key)),
  ]);
}
