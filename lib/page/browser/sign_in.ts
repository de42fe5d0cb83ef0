import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { html } from "./elements.ts";
import { signIn } from "./session.ts";

interface SignInProps {
  why: string;
  onSignedIn: () => void;
}

/** Asks for the token of the daemon. It is sent once and kept nowhere in the page. */
export function SignIn({ why, onSignedIn }: SignInProps): VNode {
  const [failure, setFailure] = useState<string>();
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const field = (event.target as HTMLFormElement).elements.namedItem("token") as HTMLInputElement;
    const outcome = await signIn(field.value.trim());
    field.value = "";
    if (outcome.is === "failed") return setFailure(outcome.why);
    onSignedIn();
  };
  return html`
    <form class="panel" onSubmit=${submit}>
      <h2>Sign in</h2>
      <p>The daemon wants its token (${why}). <code>exai-daemon page</code> opens this page signed in, and <code>exai-daemon token show</code> prints the token.</p>
      <label class="filter">
        <span>Token</span>
        <input type="password" name="token" autocomplete="off" required />
      </label>
      <button type="submit" class="main">Sign in</button>
      ${failure === undefined ? undefined : html`<p class="cause" role="alert">${failure}</p>`}
    </form>
  `;
}
