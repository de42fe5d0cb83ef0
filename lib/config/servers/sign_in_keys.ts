import * as z from "zod/mini";
import { isObject, type Json, type JsonObject, ownEntry } from "../../base/json.ts";
import { closeMatches } from "../../base/suggest.ts";

/** One key of signing in. */
interface SignInKey {
  schema: z.ZodMiniType;
  /** What a good value looks like; part of the message about a bad one. */
  allowed: string;
  /** What it does, in a phrase. */
  help: string;
}

const text = z.string().check(z.minLength(1));
const texts = z.array(text).check(z.minLength(1));

/** The name of an account: also an argument of a command, and part of file names of other programs. */
const ACCOUNT = /^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$/;
const accountName = z.string().check(z.regex(ACCOUNT));
const ACCOUNT_ALLOWED = "at most 64 of A-Z a-z 0-9 . _ @ + -, such as work or me@example.com";

/** One line that is not blank; RFC 6749, appendix A.1, has no controls in it. */
const CLIENT_ID = /^(?=.*\S)[^\p{Cc}]+$/u;

/** RFC 6749, section 3.3: what a scope consists of. */
export const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

/** Algorithms that sign for a client (RFC 7518), as `jose` has them. */
const ALGORITHMS = ["ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA"];

const PRIVATE_KEY_KEYS = {
  pem: {
    schema: text,
    allowed: "a private key as PEM (PKCS #8), best as ${file:PATH} or ${secret:NAME}",
    help: "A private key that the authorization server knows the public one of, as PEM",
  },
  algorithm: {
    schema: z.enum(ALGORITHMS),
    allowed: ALGORITHMS.join(", "),
    help: "The algorithm it signs with",
  },
} as const satisfies Record<string, SignInKey>;

/** The keys of `oauth`. */
export const OAUTH_KEYS = {
  clientId: {
    schema: z.string().check(z.regex(CLIENT_ID)),
    allowed: "the id of a client, on one line",
    help: "Of a client that was registered with the authorization server beforehand",
  },
  clientSecret: {
    schema: text,
    allowed: "the secret of the client, best as ${secret:NAME} or ${file:PATH}",
    help: "Its secret, where it has one",
  },
  privateKey: {
    schema: z.strictObject({
      pem: PRIVATE_KEY_KEYS.pem.schema,
      algorithm: PRIVATE_KEY_KEYS.algorithm.schema,
    }),
    allowed: 'an object: {"pem": "${file:PATH}", "algorithm": "ES256"}',
    help: "Signs for the client in place of a secret (RFC 7523), with grant client_credentials",
  },
  clientMetadataUrl: {
    schema: text,
    allowed: "an https URL with a path",
    help: "Where you have published a client id metadata document; else `EXAI_CLIENT_METADATA_URL`",
  },
  issuer: {
    schema: text,
    allowed: "the https URL of an authorization server",
    help: "The authorization server that the client is registered with; else the first that the server names",
  },
  scopes: {
    schema: z.array(z.string().check(z.regex(SCOPE))),
    allowed: "an array of scopes, each a text without spaces",
    help: "Asked for in place of what the server names",
  },
  grant: {
    schema: z.enum(["authorization_code", "client_credentials"]),
    allowed: "authorization_code, client_credentials",
    help: "`client_credentials`: sign in as a machine, without a person",
  },
  callbackPort: {
    schema: z.int().check(z.gte(1), z.lte(65_535)),
    allowed: "a whole number from 1 to 65535",
    help:
      "The port of the redirect address, for a client that was registered with one; else that of the registration here while it is free, or any",
  },
  redirectUrl: {
    schema: text,
    allowed: "an http URL on localhost, 127.0.0.1 or [::1]",
    help:
      "The redirect address that the client was registered with, where that is not http://127.0.0.1/callback",
  },
} as const satisfies Record<string, SignInKey>;

/** The keys of one item of `accounts`. */
export const ACCOUNT_KEYS = {
  name: { schema: accountName, allowed: ACCOUNT_ALLOWED, help: "The account" },
  directories: {
    schema: texts,
    allowed: "an array of absolute directories; ~ is your home directory",
    help: "It is for windows in one of these directories, or below",
  },
  clients: {
    schema: texts,
    allowed: "an array of clients' names; * stands for any characters",
    help: "It is for windows of these clients",
  },
} as const satisfies Record<string, SignInKey>;

function shapeOf<K extends Record<string, SignInKey>>(
  keys: K,
): { [N in keyof K]: z.ZodMiniOptional<K[N]["schema"]> } {
  const entries = Object.entries(keys).map(([name, { schema, help }]) =>
    [name, z.optional(schema).check(z.describe(help))] as const
  );
  return Object.fromEntries(entries) as { [N in keyof K]: z.ZodMiniOptional<K[N]["schema"]> };
}

function described<T extends z.ZodMiniType>(schema: T, allowed: string, help: string) {
  return { schema: schema.check(z.describe(help)) as T, allowed, help };
}

/** The keys of a server behind a URL that say how it is signed in to, and as whom. */
export const SIGN_IN_KEYS = {
  oauth: described(
    z.union([z.literal(false), z.strictObject(shapeOf(OAUTH_KEYS))]),
    "false, or an object with " + Object.keys(OAUTH_KEYS).join(", "),
    "How to sign in, where what the server publishes does not suffice; false: never sign in",
  ),
  account: described(
    accountName,
    ACCOUNT_ALLOWED,
    "The account that its requests are in the name of (default), where none of accounts is for the window",
  ),
  accounts: described(
    z.array(z.strictObject({ ...shapeOf(ACCOUNT_KEYS), name: accountName })).check(z.minLength(1)),
    'an array of accounts: [{"name": "work", "directories": ["~/work"]}, {"name": "home"}]',
    "Several accounts: a window has the first that is for its directory and its client",
  ),
  headersHelper: described(
    z.union([text, texts]),
    'a program that prints a JSON object of headers, with its arguments: ["print-headers", "--prod"]',
    "A program that prints headers for its requests, as a JSON object",
  ),
};

/** Something wrong within one of these keys. */
interface SignInFault {
  path: (string | number)[];
  message: string;
}

/**
 * What is wrong with the shape of `oauth`, `accounts` and the like in an entry, each where it is. No value is shown, as it
 * may be a secret.
 */
export function signInFaults(entry: JsonObject): SignInFault[] {
  const faults: SignInFault[] = [];
  for (const [name, { schema, allowed }] of Object.entries(SIGN_IN_KEYS)) {
    const value = entry[name];
    if (value === undefined || schema.safeParse(value).success) continue;
    const inner = innerFaults(name, value);
    faults.push(
      ...inner.length > 0 ? inner : [{ path: [name], message: `is ${kindOf(value)}; allowed: ${allowed}` }],
    );
  }
  return faults;
}

function innerFaults(name: string, value: Json): SignInFault[] {
  if (name === "oauth" && isObject(value)) return faultsOf(value, OAUTH_KEYS, ["oauth"]);
  if (name !== "accounts" || !Array.isArray(value)) return [];
  return value.flatMap((item, i) => {
    if (!isObject(item)) {
      return [{ path: ["accounts", i], message: `is ${kindOf(item)}; allowed: ${itemForm}` }];
    }
    const missing = item.name === undefined
      ? [{ path: ["accounts", i], message: `has no name; allowed: ${itemForm}` }]
      : [];
    return [...missing, ...faultsOf(item, ACCOUNT_KEYS, ["accounts", i])];
  });
}

const itemForm = 'an object: {"name": "work", "directories": ["~/work"], "clients": ["cursor*"]}';

function faultsOf(
  value: JsonObject,
  keys: Readonly<Record<string, SignInKey>>,
  at: (string | number)[],
): SignInFault[] {
  return Object.entries(value).flatMap(([name, part]): SignInFault[] => {
    const path = [...at, name];
    const key = ownEntry(keys, name);
    if (key === undefined) return [{ path, message: unknownKey(name, Object.keys(keys)) }];
    if (part === undefined || key.schema.safeParse(part).success) return [];
    const inner = name === "privateKey" && isObject(part) ? faultsOfKey(part, path) : [];
    return inner.length > 0 ? inner : [{ path, message: `is ${kindOf(part)}; allowed: ${key.allowed}` }];
  });
}

function faultsOfKey(value: JsonObject, path: (string | number)[]): SignInFault[] {
  const missing = Object.entries(PRIVATE_KEY_KEYS).filter(([name]) => value[name] === undefined);
  return [
    ...missing.map(([name, { allowed }]) => ({ path, message: `has no ${name}; allowed: ${allowed}` })),
    ...faultsOf(value, PRIVATE_KEY_KEYS, path),
  ];
}

function unknownKey(name: string, known: readonly string[]): string {
  const [meant] = closeMatches(name.replace(/[_-]/g, ""), known);
  return `is no key here; ${meant === undefined ? `allowed: ${known.join(", ")}` : `write ${meant}`}`;
}

function kindOf(value: Json): string {
  if (value === null) return "nothing";
  if (Array.isArray(value)) {
    return value.length === 0 ? "an empty array" : "an array with something else in it";
  }
  if (typeof value === "object") return "an object";
  if (typeof value === "string") return value === "" ? "an empty text" : "another text";
  return typeof value === "number" ? "a number" : String(value);
}
