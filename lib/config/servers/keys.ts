import * as z from "zod/mini";
import { HOUR_MS } from "../../base/units.ts";
import { clientsSchema } from "./client_entries.ts";
import { SIGN_IN_KEYS } from "./sign_in_keys.ts";

/** One key of a server's entry. */
interface Key<T extends z.ZodMiniType = z.ZodMiniType> {
  schema: T;
  /** What a good value looks like; part of the message about a bad one. */
  allowed: string;
  /** What it does, in a phrase. */
  help: string;
}

function key<T extends z.ZodMiniType>(schema: T, allowed: string, help: string): Key<T> {
  return { schema: schema.check(z.describe(help)) as T, allowed, help };
}

const text = z.string().check(z.minLength(1));
const toolName = z.string().check(z.regex(/^[A-Za-z0-9_-]{1,64}$/));
const scalar = z.union([z.string(), z.number(), z.boolean()]);

function whole(min: number, max: number, help: string) {
  const schema = z.int().check(z.gte(min), z.lte(max));
  return key(schema, `a whole number from ${min} to ${max}`, help);
}

const DAY_MS = 24 * HOUR_MS;

/** The keys of a server that runs as a child process. */
export const STDIO_KEYS = {
  type: key(z.literal("stdio"), '"stdio" for a command', "How the server is reached"),
  command: key(
    text,
    "the name or path of a program",
    "Program to run; looked up on the PATH of a login shell",
  ),
  args: key(z.array(z.string()), "an array of strings", "Arguments, one a string; no shell reads them"),
  env: key(
    z.record(z.string().check(z.regex(/^[^=\0]+$/)), z.nullable(scalar)),
    "an object of names and texts; null takes a variable out",
    "Environment variables added to the basic ones",
  ),
  envFile: key(text, "the path of a file", "File of NAME=value lines; env goes before it"),
  cwd: key(text, "the path of a directory", "Directory to start in; the session's directory when not given"),
};

/** The values of `type` that clients write for a URL server, and ours for them. */
export const URL_TYPES: Readonly<Record<string, "http" | "sse">> = {
  "http": "http",
  "streamable-http": "http",
  "streamableHttp": "http",
  "streamable_http": "http",
  "sse": "sse",
};

/** The keys of a server behind a URL. */
export const URL_KEYS = {
  ...SIGN_IN_KEYS,
  type: key(
    z.enum(Object.keys(URL_TYPES)),
    '"http" (Streamable HTTP) or "sse" for a URL',
    "How the server is reached: http (Streamable HTTP) or sse; not given: http, then sse",
  ),
  url: key(text, "a URL that starts with http:// or https://", "Where the server listens"),
  headers: key(z.record(text, scalar), "an object of names and texts", "HTTP headers sent with each request"),
};

/** The value of `prefix` for names that always have the server's before them. */
export const ALWAYS = "always";

/** EXAI's own keys, for either kind. */
export const OWN_KEYS = {
  share: key(
    z.enum(["auto", "machine", "project", "window", "session"]),
    "auto, machine, project, window, session",
    "Who shares one process: all windows, those of one directory, one window with its sub-agents, or nobody",
  ),
  exclusive: key(
    z.boolean(),
    "true or false",
    "Whether no copy of a shared process may be started for a window that would wait for the calls of another",
  ),
  cwdFree: key(
    z.boolean(),
    "true or false",
    "Whether the server does not care which directory it runs in, so that windows in several may share it",
  ),
  include: key(
    z.array(text),
    "an array of tool names; * stands for any characters",
    "Offer only these tools",
  ),
  exclude: key(
    z.array(text),
    "an array of tool names; * stands for any characters",
    "Do not offer these tools",
  ),
  rename: key(
    z.record(text, toolName),
    "an object of tool names and new names, each at most 64 of A-Z a-z 0-9 _ -",
    "New names for tools, by their own name",
  ),
  prefix: key(
    z.string().check(z.regex(/^[A-Za-z0-9_-]{0,32}$/)),
    "at most 32 of A-Z a-z 0-9 _ -, or always",
    "Put before the name of each tool that is not renamed; `always`: the server's name and two underscores",
  ),
  maxInflight: whole(
    1,
    10_000,
    "Calls one process of this server may run at once; the others wait, in turn by window",
  ),
  callTimeoutMs: whole(1, DAY_MS, "How long one call may take, in milliseconds"),
  detachAfterMs: whole(
    1,
    DAY_MS,
    "Silence after which a call is answered with a handle for await_call and goes on, in milliseconds",
  ),
  era: key(
    z.enum(["auto", "legacy", "modern"]),
    "auto, legacy, modern",
    "How MCP is spoken with it: after an initialize (legacy, up to 2025-11-25) or without (modern, from 2026-07-28); " +
      "auto: found out when it starts, and remembered",
  ),
  startTimeoutMs: whole(1, DAY_MS, "How long the server may take to start, in milliseconds (60000)"),
  idleStopMs: whole(0, 30 * DAY_MS, "How long it runs on unused, in milliseconds; 0: for ever (300000)"),
  memoryLimitMb: whole(
    1,
    1024 * 1024,
    "Memory it may hold with all it starts, in MiB; one that holds more is replaced when its calls are done",
  ),
  disabled: key(z.boolean(), "true or false", "Whether to leave the server out"),
};

type Shape<K extends Record<string, Key>> = { [N in keyof K]: z.ZodMiniOptional<K[N]["schema"]> };

function shapeOf<K extends Record<string, Key>>(keys: K): Shape<K> {
  const entries = Object.entries(keys).map(([name, { schema }]) => [name, z.optional(schema)]);
  return Object.fromEntries(entries) as Shape<K>;
}

/** An entry with `command`. Unknown keys are allowed. */
export const stdioSchema = z.looseObject({
  ...shapeOf({ ...STDIO_KEYS, ...OWN_KEYS }),
  command: STDIO_KEYS.command.schema,
});

/** An entry with `url`. Unknown keys are allowed. */
export const urlSchema = z.looseObject({
  ...shapeOf({ ...URL_KEYS, ...OWN_KEYS }),
  url: URL_KEYS.url.schema,
});

export type StdioEntry = z.output<typeof stdioSchema>;
export type UrlEntry = z.output<typeof urlSchema>;

/** JSON Schema (draft 7, which VS Code reads in full) of `mcp.json`, for completion in an editor. */
export function serversJsonSchema(): Record<string, unknown> {
  const server = z.union([stdioSchema, urlSchema]).check(z.meta({ id: "server" }));
  const servers = z.record(text, server);
  const file = z.looseObject({
    mcpServers: z.optional(servers.check(z.describe("The mounted servers, by name"))),
    servers: z.optional(servers.check(z.describe("The same, under the name VS Code gives it"))),
    prefix: z.optional(
      z.literal(ALWAYS).check(
        z.describe(
          "`always`: each tool is server__name, for servers without a prefix of their own; else only where names collide",
        ),
      ),
    ),
    clients: z.optional(
      clientsSchema.check(
        z.describe("Which tools clients see, by the client's name; * stands for any characters"),
      ),
    ),
  }).check(z.meta({ title: "mcp.json of EXAI", description: "MCP servers that the EXAI daemon mounts" }));
  return z.toJSONSchema(file, { target: "draft-7", io: "input" }) as Record<string, unknown>;
}
