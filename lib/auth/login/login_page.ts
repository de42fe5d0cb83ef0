import { loginCommand, logoutCommand, type NamedAccount } from "../../config/account_choice.ts";

/** What the browser shows at the end of a login. */
interface LoginPage {
  status: number;
  title: string;
  /** One paragraph each. */
  paragraphs: readonly string[];
}

/** Nothing is loaded, run, framed, kept or told to other sites: the address of the page holds a code. */
const HEADERS = {
  "content-type": "text/html; charset=utf-8",
  "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "cache-control": "no-store",
  "connection": "close",
} as const;

/** The style of every page of a login. */
export const STYLE =
  "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:15vh auto;padding:0 1rem;" +
  "color-scheme:light dark}h1{font-size:1.4rem}";

/** Says in the browser what has become of a login. */
function loginPage({ status, title, paragraphs }: LoginPage): Response {
  const body = paragraphs.map((text) => `<p>${escaped(text)}</p>`).join("\n");
  const html = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escaped(title)}</title>
<style>${STYLE}</style>
<h1>${escaped(title)}</h1>
${body}
</html>
`;
  return new Response(html, { status, headers: HEADERS });
}

/** The page of a login that worked, of the person that the authorization server names. */
export function signedInPage(of: NamedAccount, person: string | undefined): Response {
  const whose = person === undefined
    ? []
    : [`The account is that of ${person}. If that is not you, run ${logoutCommand(of)}.`];
  return loginPage({
    status: 200,
    title: `You are signed in to ${of.server}`,
    paragraphs: [...whose, "Every window on this machine uses it from now on. You can close this page."],
  });
}

/** The page of a login that did not work. */
export function failedPage(server: string, why: string): Response {
  return loginPage({
    status: 400,
    title: `You are not signed in to ${server}`,
    paragraphs: [why, "You can close this page and begin again."],
  });
}

/** The page of an answer that belongs to no login that is pending. */
export function strayPage(): Response {
  return loginPage({
    status: 400,
    title: "This page belongs to no sign-in that is under way",
    paragraphs: [
      "The answer was used before, is of another sign-in, or came too late. Nothing was done with it.",
      "You can close this page and begin again.",
    ],
  });
}

/** The page for a browser that may be that of another user. */
export function foreignPage(of: NamedAccount): Response {
  return loginPage({
    status: 403,
    title: "This browser is not known to be yours",
    paragraphs: [
      "The connection comes from another user of this machine than the one who signs in, or the system does not say " +
      "from which. Nothing was done with the answer.",
      `If it is you who signs in, run ${loginCommand(of)} --paste and paste the address of this page.`,
    ],
  });
}

/** `text` as it is written in HTML, also in quotes. */
export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
