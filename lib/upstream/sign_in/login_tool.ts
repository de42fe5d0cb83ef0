import type { JsonObject } from "../../base/json.ts";
import { quoteName } from "../../base/text.ts";
import { type Call, paramOf } from "../../call/call.ts";
import { loginToolName } from "../../config/account_choice.ts";
import type { ListKind } from "../../call/server.ts";

const NO_ENTRIES: readonly JsonObject[] = [];

/** The one tool of a server that needs a login, in place of its lists. */
export class LoginTool {
  readonly name: string;
  readonly #tools: readonly JsonObject[];

  constructor(server: string) {
    this.name = loginToolName(server);
    const definition: JsonObject = {
      name: this.name,
      title: `Sign in to ${server}`,
      description:
        `${
          quoteName(server)
        } shows its tools once the user has signed in. Call this to have the user do so, ` +
        "when something is to be done with it.",
      inputSchema: { type: "object", properties: {}, additionalProperties: false },
      annotations: {
        title: `Sign in to ${server}`,
        idempotentHint: true,
        openWorldHint: true,
        destructiveHint: false,
      },
    };
    this.#tools = [definition];
  }

  /** The list of `kind`; the same array each time. */
  list(kind: ListKind): readonly JsonObject[] {
    return kind === "tools" ? this.#tools : NO_ENTRIES;
  }

  isCalledBy(call: Call): boolean {
    return call.method === "tools/call" && paramOf(call, "name") === this.name;
  }
}
