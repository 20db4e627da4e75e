// Uses the built console as a person would, in a real browser against a running hub; prints what it found as JSON.
// Needs CONSOLE_URL, CONSOLE_USER, CONSOLE_PASSWORD and CHROMIUM in the environment, and at least one untaken alarm in the hub.
import { FLAGS, listener, PATIENCE_MS, signIn, told, until, withBrowser } from "./browser.mjs";

const { CONSOLE_URL, CONSOLE_PASSWORD } = process.env;

const found = { faults: [] };
const listen = listener(found.faults);

const rows = (page) => page.evaluate(() => [...document.querySelectorAll("[data-alarm]")].map((row) => ({ ...row.dataset })));

/** Which level colours are to be seen in the element: counts pixels, compares no pictures. */
async function coloursOf(page, element) {
  const picture = (await element.screenshot()).toString("base64");
  return page.evaluate(async (data) => {
    const image = new Image();
    image.src = `data:image/png;base64,${data}`;
    await image.decode();
    const canvas = new OffscreenCanvas(image.width, image.height);
    const pen = canvas.getContext("2d");
    pen.drawImage(image, 0, 0);
    const { data: bytes } = pen.getImageData(0, 0, image.width, image.height);
    const levels = { 4: [255, 91, 84], 3: [255, 157, 53], 2: [255, 224, 77], 1: [88, 169, 255] };
    const near = (at, colour) => colour.every((part, index) => Math.abs(bytes[at + index] - part) < 12);
    return Object.keys(levels).filter((level) => {
      let seen = 0;
      for (let at = 0; at < bytes.length; at += 4) if (near(at, levels[level])) seen += 1;
      return seen > 20;
    });
  }, picture);
}

async function drive(context) {
  await told(context);
  const page = await context.newPage();
  listen(page);
  await page.goto(CONSOLE_URL);
  await page.locator("form").waitFor();
  await signIn(page, `${CONSOLE_PASSWORD}-wrong`);
  await page.locator(".trouble:not(:empty)").waitFor();
  found.refusal = await page.locator(".trouble").innerText();
  await signIn(page, CONSOLE_PASSWORD);
  found.map = await until(page, "the map at rest", () => {
    const state = document.querySelector("[data-map]")?.getAttribute("data-map");
    return state === "idle" || state === "plan" ? state : null;
  });
  await page.locator("[data-alarm]").first().waitFor({ timeout: PATIENCE_MS });
  found.rows = await rows(page);
  found.first = await page.locator("[data-alarm]").first().innerText();

  // A second client must see what the first one does, without a reload.
  const other = await context.newPage();
  listen(other);
  await other.goto(CONSOLE_URL);
  await other.locator("[data-alarm]").first().waitFor({ timeout: PATIENCE_MS });
  const untaken = found.rows.find((row) => row.hold === "untaken");
  if (!untaken) throw new Error("the hub has no untaken alarm to acknowledge");
  found.acknowledged = untaken.alarm;
  const button = page.locator(`[data-alarm="${untaken.alarm}"] .acknowledge`);
  found.buttonHeight = (await button.boundingBox()).height;
  await button.click();
  const taken = (id) => document.querySelector(`[data-alarm="${id}"]`)?.getAttribute("data-hold") === "taken";
  await until(page, "the row taken", taken, untaken.alarm);
  await until(other, "the row taken in the other client", taken, untaken.alarm);
  found.takenBy = await page.locator(`[data-alarm="${untaken.alarm}"] .who b`).innerText();

  await page.waitForTimeout(2500);
  found.levels = [...new Set((await rows(page)).map((row) => row.level))];
  found.drawn = await coloursOf(page, page.locator(".map"));

  const lang = () => page.evaluate(() => ({ lang: document.documentElement.lang, title: document.querySelector("h2").innerText }));
  const before = await lang();
  await page.locator(".language").click();
  const after = await lang();
  await page.reload();
  await page.locator("[data-alarm]").first().waitFor({ timeout: PATIENCE_MS });
  found.languages = [before, after];
  found.remembered = await lang();
  found.overflow = await page.evaluate(() => document.documentElement.scrollHeight - document.documentElement.clientHeight);
}

/** The same hub through a browser without WebGL: the plain plan shows its letters as text, so they can be compared. */
async function driveWithoutWebgl(page) {
  await page.goto(CONSOLE_URL);
  await page.locator("form").waitFor();
  await signIn(page, CONSOLE_PASSWORD);
  await until(page, "the plain plan", () => document.querySelector("[data-map=plan] svg") !== null);
  await page.locator("[data-alarm]").first().waitFor({ timeout: PATIENCE_MS });
  await page.waitForTimeout(500);
  found.plan = await page.evaluate(() => ({
    list: Object.fromEntries([...document.querySelectorAll("[data-alarm]")].map((row) => [row.dataset.alarm, row.dataset.letter])),
    map: Object.fromEntries([...document.querySelectorAll("[data-mark]")].map((mark) => [mark.dataset.mark, mark.querySelector(".letter")?.textContent ?? ""])),
  }));
}

try {
  await withBrowser(FLAGS, drive);
  const without = [...FLAGS.filter((flag) => !/angle|swiftshader/.test(flag)), "--disable-software-rasterizer"];
  await withBrowser(without, async (context) => driveWithoutWebgl(context.pages()[0] ?? (await context.newPage())));
} catch (error) {
  found.stopped = String(error.stack ?? error);
}
console.log(JSON.stringify(found, null, 2));
process.exitCode = found.stopped ? 1 : 0;
