import { isObject, type Json, type JsonObject, ownEntry, textOf } from "../../../base/json.ts";
import { quoteName } from "../../../base/text.ts";
import { closeMatches } from "../../../base/suggest.ts";
import { OAUTH_KEYS } from "../sign_in_keys.ts";
import type { EntryDialect, EntryDraft, EntryPath } from "./entry_draft.ts";

/** The keys under which clients have what `oauth` holds here; of two that say the same the first counts. */
const OBJECTS = ["oauth", "oauth2", "auth", "authorization"] as const;

/** Keys of `oauth` by what other clients call them, in small letters without `_` and `-`. */
const NAMES: Readonly<Record<string, keyof typeof OAUTH_KEYS>> = {
  clientid: "clientId",
  clientsecret: "clientSecret",
  scope: "scopes",
  scopes: "scopes",
  oauthscopes: "scopes",
  callbackport: "callbackPort",
  redirectport: "callbackPort",
  redirecturl: "redirectUrl",
  redirecturi: "redirectUrl",
  callbackurl: "redirectUrl",
  issuer: "issuer",
  issuerurl: "issuer",
  authorizationserver: "issuer",
  authservermetadataurl: "issuer",
  clientmetadataurl: "clientMetadataUrl",
  clientidmetadataurl: "clientMetadataUrl",
  grant: "grant",
  granttype: "grant",
};

/** Beside the others in an entry: Codex, Copilot CLI, Kiro. */
const PLAIN_KEYS = [
  ...["scopes", "oauthScopes", "oauth_scopes", "oauthClientId", "oauth_client_id"],
  ...["oauthClientSecret", "oauth_client_secret", "oauthGrantType", "oauthCallbackPort"],
];

/** What the server and its authorization server publish themselves. */
const PUBLISHED = new Set([
  "authorizationurl",
  "authurl",
  "tokenurl",
  "registrationurl",
  "authorizationendpoint",
  "tokenendpoint",
]);

/** What says nothing that EXAI does not do anyway. */
const SELF_EVIDENT = new Set(["enabled", "type", "publicclient", "pkce"]);

/** Converts how a server behind a URL is signed in to: into `oauth`. */
export function convertSignIn(draft: EntryDraft, client: EntryDialect): void {
  const oauth = new OAuthDraft(draft);
  for (const key of OBJECTS) takeObject(draft, key, oauth);
  for (const key of PLAIN_KEYS) {
    const value = draft.take(key);
    if (value !== undefined && !isBlank(value)) oauth.add(key.replace(/^oauth_?/i, ""), value, [key]);
  }
  draft.take("oauthPublicClient");
  takeResource(draft);
  takeProvider(draft);
  oauth.addRedirect(ownEntry(REDIRECTS, client));
  oauth.finish();
}

/** What a client that was registered beforehand redirects to where its entry does not say, by whose entry it is. */
const REDIRECTS: Readonly<Partial<Record<EntryDialect, string>>> = {
  "claude-code": "http://localhost/callback",
  gemini: "http://localhost:7777/oauth/callback",
  opencode: "http://127.0.0.1:19876/mcp/oauth/callback",
};

/** The object `oauth` that an entry gets. */
class OAuthDraft {
  readonly #draft: EntryDraft;
  readonly #keys = new Map<string, Json>();
  readonly #sources = new Map<string, EntryPath>();
  isOff: EntryPath | undefined;

  constructor(draft: EntryDraft) {
    this.#draft = draft;
  }

  /** Adds what a client has under `name`, at `from` in its entry. */
  add(name: string, value: Json, from: EntryPath): void {
    const folded = name.toLowerCase().replace(/[_-]/g, "");
    const key = Object.hasOwn(OAUTH_KEYS, name) ? name as keyof typeof OAUTH_KEYS : ownEntry(NAMES, folded);
    if (SELF_EVIDENT.has(folded)) return;
    if (PUBLISHED.has(folded)) {
      return this.#draft.note(
        "lost",
        from,
        "is found by what the server publishes; write issuer where that is nothing",
      );
    }
    // A key of ours with a typo is named where the entry is read.
    if (key === undefined && closeMatches(folded, Object.keys(OAUTH_KEYS)).length > 0) {
      return this.#put(name, value, from);
    }
    if (key === undefined) return this.#draft.note("lost", from, "has no effect: EXAI signs in without it");
    const ours = this.#valueOf(key, { name: folded, value, from });
    if (ours !== undefined) this.#put(ours.key, ours.value, from, key !== name || ours.value !== value);
  }

  #put(key: string, value: Json, from: EntryPath, isConverted = false): void {
    if (this.#keys.has(key)) return;
    this.#keys.set(key, value);
    this.#sources.set(key, from);
    if (isConverted) this.#draft.note("converted", from, `becomes oauth.${key}`);
  }

  /** A value in the form it has here; undefined: it has none, which is noted. */
  #valueOf(
    key: keyof typeof OAUTH_KEYS,
    { name, value, from }: { name: string; value: Json; from: EntryPath },
  ): { key: string; value: Json } | undefined {
    const lose = (message: string) => void this.#draft.note("lost", from, message);
    if (key === "scopes" && typeof value === "string") {
      return {
        key,
        value: value.split(/[\s,]+/).filter((one) => one !== ""),
      };
    }
    if (key === "callbackPort" && typeof value === "string" && /^\d+$/.test(value)) {
      return { key, value: Number(value) };
    }
    if (name === "authservermetadataurl") {
      const issuer = issuerOf(textOf(value) ?? "");
      if (issuer === undefined) {
        return lose("names no issuer; write issuer, the URL of the authorization server");
      }
      this.#draft.note("changed", from, `becomes oauth.issuer, ${issuer}`);
      return { key, value: issuer };
    }
    if (key !== "redirectUrl" || typeof value !== "string") return { key, value };
    const port = /^(?:(?:localhost|127\.0\.0\.1)?:)?(\d{1,5})$/.exec(value)?.[1];
    if (port !== undefined) return { key: "callbackPort", value: Number(port) };
    if (/^\$\{|^http:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?:[:/]|$)/.test(value)) return { key, value };
    return lose(
      "is an address of its client alone; have the authorization server accept http://127.0.0.1/callback too",
    );
  }

  /** A client that was registered for another program has the redirect address of that. */
  addRedirect(address: string | undefined): void {
    const isNeeded = this.#keys.has("clientId") && !this.#keys.has("redirectUrl") &&
      this.#keys.get("grant") !== "client_credentials";
    if (address === undefined || !isNeeded) return;
    const url = new URL(address);
    if (this.#keys.has("callbackPort")) url.port = "";
    this.#put("redirectUrl", url.href, this.#sources.get("clientId")!);
  }

  finish(): void {
    const entry = this.#draft.entry;
    if (this.isOff !== undefined) {
      entry.oauth = false;
      this.#draft.moved(["oauth"], this.isOff);
    } else if (this.#keys.size > 0) {
      entry.oauth = Object.fromEntries(this.#keys);
      const [first] = this.#sources.values();
      this.#draft.moved(["oauth"], first!.slice(0, 1));
      for (const [key, from] of this.#sources) this.#draft.moved(["oauth", key], from);
    }
  }
}

function takeObject(draft: EntryDraft, key: typeof OBJECTS[number], oauth: OAuthDraft): void {
  const value = draft.take(key);
  if (value === undefined || value === true || isBlank(value)) return;
  if (typeof value === "string") return takeWord(draft, key, { value, oauth });
  if (value === false || isObject(value) && /^none$/i.test(textOf(value.type) ?? "")) {
    oauth.isOff ??= draft.sourceOf([key]);
  } else if (!isObject(value)) draft.put(key === "oauth" ? key : "oauth", value, [key]);
  else if (takeToken(draft, key, value)) return;
  else if (value.enabled !== false) {
    for (const [name, part] of Object.entries(value)) {
      if (part !== null && part !== undefined) oauth.add(name, part, draft.sourceOf([key, name]));
    }
  }
}

function isBlank(value: Json): boolean {
  return value === "" || isObject(value) && Object.keys(value).length === 0;
}

/** `auth: "oauth"` and the like; `Authorization` itself. */
function takeWord(
  draft: EntryDraft,
  key: string,
  { value, oauth }: { value: string; oauth: OAuthDraft },
): void {
  if (/^(?:oauth[\d._]*|auto|true|dynamic)$/i.test(value)) return;
  if (/^(?:none|off|false)$/i.test(value)) oauth.isOff ??= draft.sourceOf([key]);
  else if (/^(?:bearer|basic) +\S/i.test(value)) addAuthorization(draft, value, [key]);
  // The text may be a token.
  else {draft.note(
      "fault",
      [key],
      "names a way to sign in that EXAI does not go; write oauth, headers or headersHelper",
    );}
}

/** `auth: {type: "bearer", token: "..."}`. */
function takeToken(draft: EntryDraft, key: string, value: JsonObject): boolean {
  const token = textOf(value.token) ?? textOf(value.bearerToken) ?? textOf(value.accessToken);
  if (token === undefined || !/^(?:bearer|token)?$/i.test(textOf(value.type) ?? "")) return false;
  addAuthorization(draft, `Bearer ${token}`, [key]);
  return true;
}

function addAuthorization(draft: EntryDraft, value: string, from: EntryPath): void {
  const before = draft.entry.headers;
  const headers: JsonObject = isObject(before) ? before : {};
  if (Object.keys(headers).some((name) => name.toLowerCase() === "authorization")) return;
  draft.entry.headers = { ...headers, Authorization: value };
  if (before === undefined) draft.moved(["headers"], draft.sourceOf(from));
  draft.moved(["headers", "Authorization"], draft.sourceOf(from));
  draft.note("converted", from, "becomes headers.Authorization");
}

/** Codex: the resource a token is for, which is the server's own URL here. */
function takeResource(draft: EntryDraft): void {
  for (const key of ["oauth_resource", "oauthResource"]) {
    const value = draft.take(key);
    if (value === undefined || value === "" || value === draft.entry.url) continue;
    draft.note("lost", [key], "is not sent: a token is asked for the URL of the server itself");
  }
}

/** Gemini: where credentials come from. */
function takeProvider(draft: EntryDraft): void {
  const provider = draft.take("authProviderType");
  for (const key of ["targetAudience", "targetServiceAccount"]) draft.take(key);
  if (provider === undefined || provider === "" || provider === "dynamic_discovery") return;
  const message =
    `is ${
      typeof provider === "string" ? quoteName(provider) : "another value"
    }, credentials of Google's own ` +
    'that EXAI does not read; write "headersHelper": a program that prints headers with them';
  draft.note("fault", ["authProviderType"], message);
}

const METADATA = /\/\.well-known\/(?:oauth-authorization-server|openid-configuration)(\/.*)?$/;

/** The issuer whose metadata are at `url` (RFC 8414, section 3.1; OpenID Connect Discovery, section 4). */
function issuerOf(url: string): string | undefined {
  const parsed = URL.parse(url);
  const match = parsed && METADATA.exec(parsed.pathname);
  if (!parsed || !match) return undefined;
  const before = parsed.pathname.slice(0, match.index);
  const path = `${before}${match[1] ?? ""}`;
  return `${parsed.origin}${path === "/" ? "" : path}`;
}
