import { quoteName } from "../../base/text.ts";
import type { PendingLogin } from "../../auth/pending_login.ts";
import { loginCommand } from "../../config/account_choice.ts";

/** The server and the account that somebody is to sign in to. */
export interface SignInTarget {
  server: string;
  /** Undefined: the server has one only. */
  account: string | undefined;
}

/** What is asked of a person, as one phrase: `sign in to "github" (account work)`. */
export function signInTo({ server, account }: SignInTarget): string {
  return `sign in to ${quoteName(server)}${account === undefined ? "" : ` (account ${quoteName(account)})`}`;
}

/** Tells the person, by way of the model, what to do where the client cannot ask it. */
export function howToSignIn(target: SignInTarget, { prompt: { url }, expiresAt }: PendingLogin): string {
  const until = expiresAt.toISOString().slice(11, 16);
  return `Ask the user to open this address in a browser on this machine and to ${
    signInTo(target)
  }, before ` +
    `${until} UTC:\n${url}\nor to run: ${loginCommand(target)}\nThen call again.`;
}

/** Tells the model that its client declined, which some do by themselves where no person is. */
export function howAfterDeclined(target: SignInTarget): string {
  return "Not done: the client answered that the user does not want to sign in now. If nobody was asked, or they " +
    `change their mind, the user can run: ${loginCommand(target)}\nThen call again.`;
}
