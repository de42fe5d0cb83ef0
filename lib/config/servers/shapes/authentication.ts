import { isObject, type JsonObject } from "../../../base/json.ts";
import type { EntryDialect, EntryDraft } from "./entry_draft.ts";
import { convertSignIn } from "./sign_in.ts";

/** A variable that a name in an entry can stand for. */
const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;

const HELPERS = ["http_headers_helper", "headers_helper", "headerHelper"];

/** Converts how a server gets its credentials; a way that EXAI does not go is named, never left out in silence. */
export function convertAuthentication(draft: EntryDraft, client: EntryDialect): void {
  convertBearer(draft);
  convertHeaderVariables(draft);
  convertForwarded(draft);
  const isUrl = draft.entry.url !== undefined;
  convertHelper(draft, isUrl);
  for (const key of ["apiKey", "api_key", "apiToken", "authToken", "bearerToken"]) {
    if (draft.take(key) === undefined) continue;
    const message = isUrl
      ? 'is not sent; write "headers": {"Authorization": "Bearer …"}, or the header that the server wants'
      : 'is not passed on; write it into "env" under the name that the server reads';
    // A server without its token would be mounted as somebody else, or as nobody.
    draft.note(isUrl ? "fault" : "lost", [key], message);
  }
  if (isUrl) convertSignIn(draft, client);
  else for (const key of SIGN_IN_KEYS) draft.take(key);
}

/** Of clients that write every key they know; a command is not signed in to. */
const SIGN_IN_KEYS = ["oauth", "auth", "authProviderType", "oauth_resource", "scopes", "authorization"];

/** A program that prints headers: its line, or an object with command and args. */
function convertHelper(draft: EntryDraft, isUrl: boolean): void {
  draft.rename(HELPERS, "headersHelper");
  const { headersHelper } = draft.entry;
  if (headersHelper === undefined) return;
  if (!isUrl || headersHelper === "") draft.take("headersHelper");
  else if (isObject(headersHelper) && typeof headersHelper.command === "string") {
    const { command, args } = headersHelper;
    const source = draft.sourceOf(["headersHelper"]);
    const words = Array.isArray(args) ? args.map(String) : [];
    draft.entry.headersHelper = [command, ...words];
    draft.moved(["headersHelper", 0], [...source, "command"]);
    for (const i of words.keys()) draft.moved(["headersHelper", i + 1], [...source, "args", i]);
  }
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
