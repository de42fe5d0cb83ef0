import type { JsonObject } from "../base/json.ts";
import type { Progress } from "../call/call.ts";

/** What a tool knows of the session that calls it. */
interface CallFacts {
  /** Working directory of the window, absolute. */
  cwd: string | undefined;
  /** The client by its own name, as `claude-code`. */
  client: string | undefined;
}

/** What the thread of a tool is told. */
export type ToWorker =
  | { kind: "load"; url: string }
  | { kind: "call"; id: number; args: JsonObject; facts: CallFacts }
  | { kind: "abort"; id: number; message: string }
  | { kind: "answer"; ask: number; text: string }
  | { kind: "answer"; ask: number; fault: string };

/** What the thread of a tool tells. `text` is JSON, or undefined where a tool had nothing to say. */
export type FromWorker =
  | { kind: "loaded"; text: string }
  | { kind: "faulty"; message: string }
  | { kind: "begun"; id: number }
  | { kind: "heard"; id: number }
  | { kind: "done"; id: number; text: string | undefined }
  | { kind: "failed"; id: number; message: string; stack?: string }
  | { kind: "progress"; id: number; progress: Progress }
  | { kind: "log"; level: "debug" | "info" | "warning" | "error"; text: string }
  | { kind: "ask"; id: number; ask: number; method: string; params: JsonObject }
  | { kind: "stray"; message: string };
