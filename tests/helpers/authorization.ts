import { fromFileUrl } from "@std/path";
import type {
  Addresses,
  AuthorizationRecord,
  AuthorizationSettings,
  ChangeableSettings,
  TokenRequest,
} from "../fixtures/authorization/settings.ts";
import { signalProgram } from "./program.ts";

const program = fromFileUrl(new URL("../fixtures/authorization_server.ts", import.meta.url));
const config = fromFileUrl(new URL("../../deno.json", import.meta.url));

export type ServerEra = "legacy" | "modern" | "both";

/** The authorization server of `tests/fixtures/authorization_server.ts`, in a process of its own. */
export class AuthorizationServer implements AsyncDisposable {
  readonly issuer: string;
  readonly process: Deno.ChildProcess;
  readonly #servers: string;

  private constructor(process: Deno.ChildProcess, { issuer, servers }: Addresses) {
    this.process = process;
    this.issuer = issuer;
    this.#servers = servers;
  }

  static async start(settings: Partial<AuthorizationSettings> = {}): Promise<AuthorizationServer> {
    const args = ["run", "-A", "--no-check", "--config", config, program, JSON.stringify(settings)];
    const process = new Deno.Command(Deno.execPath(), { args, stdout: "piped", stderr: "null" }).spawn();
    const reader = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (!text.includes("\n")) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`the authorization server has ended: ${text}`);
      text += value;
    }
    await reader.cancel();
    return new AuthorizationServer(process, JSON.parse(text));
  }

  /** The URL of a server behind it; one for each name. */
  url(era: ServerEra, name = "files"): string {
    return `${this.#servers}/${era}/${name}`;
  }

  async record(): Promise<AuthorizationRecord> {
    return await (await fetch(`${this.issuer}/rig`)).json();
  }

  async set(settings: Partial<ChangeableSettings>): Promise<void> {
    await (await fetch(`${this.issuer}/rig`, { method: "POST", body: JSON.stringify(settings) })).body
      ?.cancel();
  }

  /** Ends every login, as an administrator may. */
  async endLogins(): Promise<void> {
    await (await fetch(`${this.issuer}/rig`, { method: "DELETE" })).body?.cancel();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    signalProgram(this.process, "SIGKILL");
    await this.process.status;
  }
}

/** The requests of `record` that refreshed a token. */
export function refreshes({ tokenRequests }: AuthorizationRecord): TokenRequest[] {
  return tokenRequests.filter(({ grant }) => grant === "refresh_token");
}

/** Refresh tokens that were sent more than once, and those of which two requests were under way at one time. */
export function misused(record: AuthorizationRecord): { twice: string[]; atOnce: string[] } {
  const byToken = Map.groupBy(refreshes(record), ({ refreshToken }) => refreshToken!);
  const twice = [...byToken].filter(([, requests]) => requests.length > 1);
  const atOnce = twice.filter(([, requests]) => {
    const inOrder = requests.toSorted((one, other) => one.startedMs - other.startedMs);
    return inOrder.some((request, i) => request.startedMs < (inOrder[i - 1]?.endedMs ?? -Infinity));
  });
  return { twice: twice.map(([token]) => token), atOnce: atOnce.map(([token]) => token) };
}
