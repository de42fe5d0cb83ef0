/** Numbers that do not survive being parsed and written again, as a member of JSON each. */
const NUMBERS: Readonly<Record<string, string>> = {
  beyond: "9007199254740993",
  below: "-9007199254740993",
  huge: "123456789012345678901234567890",
  one: "1.0",
  hundred: "1e2",
  upper: "1.5E+3",
  zero: "-0",
  long: "0.1000000000000000055511151231257827",
};

export const NUMBERS_TEXT = `{${Object.entries(NUMBERS).map(([key, text]) => `"${key}":${text}`).join(",")}}`;

/** What a list says of an argument. */
export const SCHEMA_TEXT = '{"type":"object","properties":{"beyond":{"type":"number","default":1.0,' +
  '"minimum":-1e2,"maximum":9007199254740993}}}';

export const PROGRESS_TEXT = '"progress":1.0,"total":9007199254740993';

/** Ids and progress tokens as clients may write them. */
export const TOKENS = ["9007199254740993", "-9007199254740993", "1.0", "1e2", "-0", '"a\\u0062"', '""'];
