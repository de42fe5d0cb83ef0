import type { PendingLogin } from "../../auth/login/pending_login.ts";
import type { Caller } from "../../call/call.ts";

/** How the windows of one server sign in to it, each in the name of its account. */
export interface ServerLogins {
  /** Whether an account of the server is known to need a login; only then is it looked which a window has. */
  readonly areNeeded: boolean;
  /** Whether the account of `caller` needs a login before anything can be done. */
  isNeededBy(caller: Caller): Promise<boolean>;
  /** The name of the account of `caller`; undefined: the server has one only. */
  accountOf(caller: Caller): Promise<string | undefined>;
  /**
   * The pending login of the account of `caller`; begins one if there is none.
   *
   * @throws {ExaiError} what is wrong with the authorization server
   */
  begin(caller: Caller): Promise<PendingLogin>;
}
