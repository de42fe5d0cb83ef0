import { escaped, STYLE } from "./login/login_page.ts";

/** Nothing is loaded, and nobody is told where the link was. */
const HEAD = `<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="referrer" content="no-referrer">
<meta http-equiv="content-security-policy"
  content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'">`;

/** A page in a file, by which a browser is led on to the login at `url`: by script, or by the link. */
export function leadingPage(url: string, server: string): string {
  return `<!doctype html>
<html lang="en">
${HEAD}
<title>Sign in to ${escaped(server)}</title>
<style>${STYLE}</style>
<p><a id="login" href="${escaped(url)}">Sign in to ${escaped(server)}</a></p>
<script>location.replace(document.getElementById("login").href)</script>
</html>
`;
}
