import * as z from "zod/mini";
import { ExaiError } from "../base/errors.ts";
import { isObject, type Json, type JsonObject } from "../base/json.ts";
import { quoteValue } from "../base/text.ts";
import type { OpError } from "./codes.ts";
import { isNonce } from "./proof.ts";
import type { RequestId } from "./rpc.ts";

const requestId = z.union([z.string(), z.int(), z.bigint()]);
const clientInfo = z.union([
  z.string(),
  z.looseObject({ name: z.optional(z.string()), version: z.optional(z.string()) }),
]);

const MAX_WINDOW_ID_CHARS = 128;

/** What a client sends to resume its session after a cut: who it was, and which requests still wait. */
const resume = z.looseObject({
  token: z.string(),
  waiting: z.optional(z.array(requestId)),
  posts: z.optional(z.int().check(z.nonnegative())),
});

/** Which window of an editor a client belongs to: a name, or the process that started it. */
const window = z.looseObject({
  id: z.optional(z.string().check(z.maxLength(MAX_WINDOW_ID_CHARS))),
  pid: z.optional(z.int().check(z.positive())),
  started: z.optional(z.string().check(z.maxLength(MAX_WINDOW_ID_CHARS))),
});

const hello = z.looseObject({
  op: z.literal("hello"),
  token: z.optional(z.nullable(z.string())),
  session_id: z.optional(z.nullable(z.string())),
  client: z.optional(z.nullable(clientInfo)),
  cwd: z.optional(z.nullable(z.string())),
  resume: z.optional(z.nullable(z.union([resume, z.boolean()]))),
  server: z.optional(z.string()),
  nudge: z.optional(z.boolean()),
  lines: z.optional(z.boolean()),
  bytes: z.optional(z.boolean()),
  receipts: z.optional(z.boolean()),
  proof: z.optional(z.string()),
  via: z.optional(z.string()),
  window: z.optional(z.nullable(window)),
  pid: z.optional(z.int().check(z.positive())),
  settings: z.optional(z.looseObject({ salt: z.string(), digests: z.record(z.string(), z.string()) })),
});

/** Asks the daemon to prove that it knows the token, before the client shows anything. */
const challenge = z.looseObject({ op: z.literal("challenge"), nonce: z.string().check(z.refine(isNonce)) });

/** One HTTP-like request of a command, in place of a hello; no session begins. */
const request = z.looseObject({
  op: z.literal("request"),
  method: z.enum(["GET", "POST"]),
  path: z.string().check(z.startsWith("/")),
  body: z.optional(z.string()),
  proof: z.optional(z.string()),
});

const opSchemas = {
  hello,
  challenge,
  request,
  list_tools: z.looseObject({ op: z.literal("list_tools") }),
  call_tool: z.looseObject({
    op: z.literal("call_tool"),
    request_id: requestId,
    name: z.string(),
    arguments: z.optional(z.nullable(z.custom<JsonObject>(isObject))),
    timeout_ms: z.optional(z.int().check(z.positive())),
  }),
  cancel: z.looseObject({ op: z.literal("cancel"), request_id: requestId }),
  received: z.looseObject({
    op: z.literal("received"),
    answers: z.int().check(z.nonnegative()),
    posts: z.optional(z.int().check(z.nonnegative())),
  }),
  health: z.looseObject({ op: z.literal("health") }),
  rotate_token: z.looseObject({ op: z.literal("rotate_token"), old: z.string(), new: z.string() }),
};

export type Hello = z.output<typeof hello>;
export type SettingsOffer = NonNullable<Hello["settings"]>;
export type ChallengeOp = z.output<typeof challenge>;
export type CommandOp = z.output<typeof request>;
export type CallToolOp = z.output<typeof opSchemas.call_tool>;

/** A well-formed request of the EXAI protocol. */
export type OpRequest = {
  [K in keyof typeof opSchemas]: z.output<(typeof opSchemas)[K]>;
}[keyof typeof opSchemas];

/**
 * Validates one op frame.
 *
 * @throws {ExaiError} `UNKNOWN_OP`, or `INVALID_REQUEST` with the invalid field
 */
export function parseOp(frame: JsonObject): OpRequest {
  const op = frame.op;
  const schema = typeof op === "string" && Object.hasOwn(opSchemas, op)
    ? opSchemas[op as keyof typeof opSchemas]
    : undefined;
  if (schema === undefined) {
    const known = Object.keys(opSchemas).join(", ");
    throw new ExaiError("UNKNOWN_OP", `there is no op ${quoteValue(op)}; known: ${known}`);
  }
  const parsed = schema.safeParse(frame);
  if (parsed.success) return parsed.data as OpRequest;
  const issue = parsed.error.issues[0];
  const field = issue?.path.join(".") || "frame";
  throw new ExaiError("INVALID_REQUEST", `${op}: field ${field}: ${issue?.message ?? "invalid"}`);
}

/** The name by which a command of `exai-daemon` opens a session. */
export const COMMAND_CLIENT = "exai-daemon";

/** The reply to a valid hello. */
export interface HelloAck {
  op: "hello_ack";
  ok: true;
  session_id: string;
  daemon: DaemonIdentity;
  limits: { max_bytes: number; session_max_inflight: number; call_timeout_ms: number };
  /** Sent back in `hello.resume.token` to resume this session. */
  resume_token?: string;
  /** Set if the hello asked for it: a frame may hold several messages, one a line. */
  lines?: true;
  /** Set if the hello asked for it: either end may send a large message in UTF-8, the client one it has not read. */
  bytes?: true;
  /** Set if the hello asked for it: either end acknowledges how many messages have arrived. */
  receipts?: true;
  /** With `receipts`: number of the last request or notification before the first on this connection. */
  posts?: number;
  /** With `receipts`: messages of the client received in this session; further ones are numbered from there. */
  received?: number;
  /** In answer to `settings`: the names of those the daemon does not use. */
  unused_settings?: string[];
  /** In answer to `resume.waiting`: the requests that never arrived and must be sent again. */
  unseen?: RequestId[];
  /** In answer to `resume` from another daemon that has the session in its journal. */
  recovered?: Recovered;
}

/** Which daemon answers. */
interface DaemonIdentity {
  version: string;
  /** When the commit it was built from was made; left out when it runs from source. */
  committed_at?: string;
  pid: number;
  /** Its state directory, for its own user alone. */
  home?: string;
  /** Set if it ends in favour of a newer daemon, once no call runs. */
  hands_over?: true;
}

/** The pending requests of a session that outlived its daemon. */
interface Recovered {
  /** They never began: the client sends them again, after `initialize`. */
  unseen: RequestId[];
  /** They began, and their outcome is unknown. The others are answered after the acknowledgement. */
  unknown: RequestId[];
}

/** The reply to a rejected hello. */
interface HelloRefused {
  op: "hello_ack";
  ok: false;
  error: string;
}

/** Every frame of the daemon that is not JSON-RPC. */
export type OpReply =
  | HelloAck
  | HelloRefused
  | { op: "challenge_res"; nonce: string; door: string; proofs: string[] }
  | { op: "response"; status: number }
  | { op: "response_part"; text: string }
  | { op: "response_end" }
  | { op: "list_tools_res"; tools: JsonObject[] }
  | { op: "progress"; request_id: Json; progress: Json | undefined; total?: Json; message?: string }
  | { op: "call_tool_res"; request_id: Json; error: OpError }
  | { op: "health_res"; ok: true; health: JsonObject }
  | { op: "rotate_token_res"; ok: boolean; error?: string }
  | { op: "nudge" }
  | { op: "received"; messages: number }
  | { op: "returned"; message: number }
  | { op: "error"; code: string; message: string; request_id?: Json };
