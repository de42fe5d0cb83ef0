import { isObject, type Json, type JsonObject } from "../../../base/json.ts";
import type { EntryDraft } from "./entry_draft.ts";

/** A variable that a name in an entry can stand for. */
const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;

const HELPERS = ["headersHelper", "http_headers_helper", "headers_helper"];

/** Converts how a server gets its credentials; a way that EXAI does not go is named, never left out in silence. */
export function convertAuthentication(draft: EntryDraft): void {
  convertBearer(draft);
  convertHeaderVariables(draft);
  convertForwarded(draft);
  const isUrl = draft.entry.url !== undefined;
  const helper = draft.first(HELPERS);
  if (helper !== undefined) draft.take(helper);
  if (helper !== undefined && isUrl) {
    const message =
      "is a program that prints headers, which EXAI does not run; write headers in its place, with " +
      "${file:PATH} or ${env:NAME} for the secret";
    draft.note("fault", [helper], message);
  }
  for (const key of ["apiKey", "api_key", "apiToken", "authToken", "bearerToken"]) {
    if (draft.take(key) === undefined) continue;
    const message = isUrl
      ? 'is not sent; write "headers": {"Authorization": "Bearer …"}, or the header that the server wants'
      : 'is not passed on; write it into "env" under the name that the server reads';
    // A server without its token would be mounted as somebody else, or as nobody.
    draft.note(isUrl ? "fault" : "lost", [key], message);
  }
  for (const key of ["oauth", "auth", "authProviderType", "oauth_resource", "scopes", "authorization"]) {
    const value = draft.take(key);
    if (value === undefined || value === false || isEmpty(value)) continue;
    const message =
      "says how to sign in, which EXAI does not do; where the server wants a token, write headers";
    if (isUrl) draft.note("lost", [key], message);
  }
}

function isEmpty(value: Json): boolean {
  if (isObject(value)) return Object.keys(value).length === 0 || value.enabled === false;
  return Array.isArray(value) && value.length === 0;
}

/** Codex: the name of the variable that holds the token. */
function convertBearer(draft: EntryDraft): void {
  for (const key of ["bearer_token_env_var", "bearerTokenEnvVar"]) {
    const name = draft.take(key);
    if (name === undefined) continue;
    if (typeof name === "string" && NAME.test(name)) {
      addTo(draft, "headers", { to: "Authorization", value: `Bearer \${env:${name}}`, from: [key] });
    } else draft.note("fault", [key], "is no name of a variable; write headers in its place");
  }
}

/** Codex: headers, each with the name of the variable that holds its value. */
function convertHeaderVariables(draft: EntryDraft): void {
  for (const key of ["env_http_headers", "envHeaders"]) {
    const table = draft.take(key);
    if (table === undefined) continue;
    for (const [header, name] of Object.entries(isObject(table) ? table : {})) {
      if (typeof name === "string" && NAME.test(name)) {
        addTo(draft, "headers", { to: header, value: `\${env:${name}}`, from: [key, header] });
      } else draft.note("fault", [key, header], "is no name of a variable; write headers in its place");
    }
  }
}

/** Codex: variables that are passed on as they are. */
function convertForwarded(draft: EntryDraft): void {
  const names = draft.take("env_vars");
  if (!Array.isArray(names)) return;
  for (const [i, item] of names.entries()) {
    const name = isObject(item) ? item.name : item;
    if (typeof name === "string" && NAME.test(name)) {
      addTo(draft, "env", { to: name, value: `\${env:${name}}`, from: ["env_vars", i] });
    } else draft.note("fault", ["env_vars", i], "is no name of a variable; write env in its place");
  }
}

interface Addition {
  to: string;
  value: string;
  from: (string | number)[];
}

/** Adds a header or variable, unless the entry has it already. */
function addTo(draft: EntryDraft, key: "env" | "headers", { to, value, from }: Addition): void {
  const before = draft.entry[key];
  const table: JsonObject = isObject(before) ? before : {};
  if (before !== undefined && !isObject(before)) return;
  const isSame = (name: string) => key === "env" ? name === to : name.toLowerCase() === to.toLowerCase();
  if (Object.keys(table).some(isSame)) return;
  draft.entry[key] = Object.fromEntries([...Object.entries(table), [to, value]]);
  if (before === undefined) draft.moved([key], draft.sourceOf(from));
  draft.moved([key, to], draft.sourceOf(from));
  draft.note("converted", [key, to], `becomes ${key}.${to}`);
}
