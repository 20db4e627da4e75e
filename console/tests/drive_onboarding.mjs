// Walks a device from its label to its signed card as a field engineer does, on a phone; the test plays the device.
// Talks with the test in lines of JSON: {"step", ...} says how far the page is; any line as the answer goes on.
// With CONSOLE_SHOTS set, pictures of every step are left in that folder, as the phone and as the desk show it.
import { createInterface } from "node:readline";
import { FLAGS, listener, signIn, told, until, withBrowser } from "./browser.mjs";

const { CONSOLE_URL, CONSOLE_PASSWORD, OPERATOR_PASSWORD, PHOTO, CONSOLE_SHOTS } = process.env;
const PHONE = { width: 390, height: 844 };
const DESK = { width: 1366, height: 768 };
const PLACE = { longitude: 120.571222, latitude: 31.301646, accuracy: 12 };

const found = { faults: [], small: {}, wide: {}, latin: {} };
// Refusals and lost lines that the steps below provoke themselves.
const listen = listener(found.faults, /status of 40[139]|ERR_INTERNET_DISCONNECTED/);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function tell(step, said = {}) {
  console.log(JSON.stringify({ step, ...said }));
  const { done } = await lines.next();
  if (done) throw new Error(`the test has gone at ${step}`);
}

const state = (page, wanted) => until(page, `the state ${wanted}`, (name) => document.querySelector(`[data-step=${name}]`)?.dataset.done === "true", wanted);
const textOf = (page, selector) => page.locator(selector).first().innerText();

/** What is too small for a gloved finger, what makes the phone scroll sideways or the page under its floor, and English left in the Chinese page. */
async function look(page, name) {
  found.small[name] = await page.evaluate(() =>
    [...document.querySelectorAll(".connect :is(button, a, select, textarea, summary, input, label.button), .tabs button")]
      .filter((one) => !one.classList.contains("for-ears") && one.checkVisibility() && one.getBoundingClientRect().height < 44)
      .map((one) => `${one.tagName} ${one.textContent}`));
  found.wide[name] = await page.evaluate(() => {
    const floor = document.querySelector(".floor");
    const sideways = floor.scrollWidth - floor.clientWidth;
    const cut = [...document.querySelectorAll(".connect *")].filter((one) => one.checkVisibility() && !one.closest(".for-ears") && one.getBoundingClientRect().right > innerWidth + 1).map((one) => one.className || one.tagName);
    const below = document.documentElement.scrollHeight - document.documentElement.clientHeight;
    return { sideways, below, cut };
  });
  found.latin[name] = await page.evaluate(() => {
    const texts = [...document.querySelectorAll(".connect :is(p, span, b, h2, h3, label, button, summary)")]
      .filter((one) => !one.closest("[lang=en], code, option, .which, .waiting-list"))
      .flatMap((one) => [...one.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.textContent));
    // Commands are English everywhere, and so are the names of profiles, which are data.
    return texts.filter((text) => /[a-z]{2,} [a-z]{2,}/.test(text.replace("River gauge", "")) && !/cityhub/.test(text));
  });
  if (!CONSOLE_SHOTS) return;
  for (const [screen, size] of [["phone", PHONE], ["desk", DESK]]) {
    await page.setViewportSize(size);
    await page.waitForTimeout(400);
    const height = await page.evaluate(() => { const floor = document.querySelector(".floor"); floor.scrollTo(0, 0); return floor.scrollHeight - floor.clientHeight; });
    // The page itself does not scroll, its floor does: a window as high as it needs shows all of it.
    await page.screenshot({ path: `${CONSOLE_SHOTS}/${name}-${screen}.png` });
    if (height > 0) {
      await page.setViewportSize({ width: size.width, height: size.height + height });
      await page.waitForTimeout(300);
      await page.screenshot({ path: `${CONSOLE_SHOTS}/${name}-${screen}-all.png` });
    }
  }
  await page.setViewportSize(PHONE);
}

async function walk(context) {
  await told(context);
  const page = await context.newPage();
  listen(page);
  await page.goto(CONSOLE_URL);
  await page.locator("form").waitFor();
  await signIn(page, CONSOLE_PASSWORD);
  await page.locator(".tabs button").nth(2).click();
  await page.locator(".new-device").waitFor();
  await look(page, "1-new");

  // Which device: nothing filled in is said, the label fills the kind and a first id, the phone the place.
  await page.locator("button[type=submit]").click();
  found.faultsSaid = await page.locator(".fault").allInnerTexts();
  found.focused = await until(page, "the focus on the first fault", () => document.activeElement?.getAttribute("aria-invalid") === "true");
  const box = page.locator(".new-device .field input");
  await box.nth(0).fill("River-Gauge; SN 0042");
  await until(page, "the label", () => document.querySelector(".said")?.textContent.includes("SN 0042"));
  found.suggested = await box.nth(1).inputValue();
  await box.nth(1).fill("gauge-7");
  await box.nth(2).fill("柳堰水位站");
  await page.locator(".place button").click();
  await until(page, "the place", () => document.querySelector(".place .said") !== null);
  found.place = await textOf(page, ".place .said");
  await look(page, "2-filled");

  // The network goes: what was typed outlasts the failure and a reload.
  await context.setOffline(true);
  await page.locator("button[type=submit]").click();
  await page.locator(".outcome p").waitFor();
  found.unsent = await textOf(page, ".outcome p");
  await look(page, "3-unsent");
  await context.setOffline(false);
  await page.reload();
  await page.locator(".new-device").waitFor();
  found.kept = await box.nth(1).inputValue();
  await page.locator("button[type=submit]").click();

  // The token: once, with its time, as a picture and as a line; not in the address, not in any storage.
  await page.locator(".qr").waitFor();
  await until(page, "the code drawn", () => document.querySelector(".qr")?.naturalWidth > 0);
  const link = /'(.*)'/.exec(await textOf(page, ".command code"))[1];
  const left = await textOf(page, ".left");
  found.left = [left, await until(page, "the time that is left to change", (before) => [document.querySelector(".left").textContent].find((text) => text !== before), left)];
  found.qr = await page.locator(".qr").getAttribute("src");
  found.link = link;
  const token = link.split("#")[1];
  found.leaked = await page.evaluate((secret) => [location.href, JSON.stringify({ ...sessionStorage }), JSON.stringify({ ...localStorage })].filter((text) => text.includes(secret)), token);
  const scanner = await context.newPage();
  listen(scanner);
  await scanner.goto(link);
  await scanner.locator(".enrol-link code").waitFor();
  found.scanned = await textOf(scanner, ".enrol-link code");
  if (CONSOLE_SHOTS) await scanner.screenshot({ path: `${CONSOLE_SHOTS}/4-scanned-phone.png` });
  await scanner.close();
  await look(page, "4-token");
  await tell("invited", { link });
  await state(page, "enrolled");
  await until(page, "the token gone from the page", () => document.querySelector(".qr") === null);
  await look(page, "5-enrolled");

  await tell("enrolled");
  await page.locator(".refused li").waitFor();
  found.refused = await textOf(page, ".refused");
  await look(page, "6-refused");

  await tell("refused");
  await state(page, "reading");
  await until(page, "the newest reading", () => document.querySelector("[data-metric=level] .value")?.textContent === "1.5 m");
  found.readings = await page.evaluate(() => Object.fromEntries([...document.querySelectorAll("[data-metric]")].map((row) => [row.dataset.metric, [row.dataset.flag, row.innerText]])));
  await page.locator("[data-line=photo]").waitFor();
  found.before = await page.evaluate(() => Object.fromEntries([...document.querySelectorAll("[data-line]")].map((row) => [row.dataset.line, row.dataset.verdict])));
  await look(page, "7-card");

  // The photo waits for the network and goes by itself; the banner says since when nothing is known.
  await context.setOffline(true);
  await page.locator("input[type=file]").setInputFiles(PHOTO);
  await page.locator("[data-photo=waiting]").waitFor();
  await until(page, "the banner", () => document.querySelector("[data-lost=true] .banner") !== null);
  found.banner = await textOf(page, ".banner");
  await look(page, "8-offline");
  await context.setOffline(false);
  await page.locator("[data-photo=sent]").waitFor();
  found.preview = await until(page, "the preview", () => document.querySelector(".photo img")?.naturalWidth);
  await page.locator(".compare button").click();
  await until(page, "a card with photo and place", () => ["photo", "place"].every((line) => document.querySelector(`[data-line=${line}]`)?.dataset.verdict === "ok"));
  await until(page, "the line again", () => document.querySelector("[data-lost=false]") !== null);
  found.verdict = await page.locator(".card-lines").getAttribute("data-verdict");
  found.card = await textOf(page, ".card-lines");

  // A card that fails wants a remark, and keeps what is typed.
  found.signer = await textOf(page, ".sign-off p");
  await page.locator(".sign-off button[type=submit]").click();
  found.needed = await textOf(page, ".sign-off .fault");
  await look(page, "9-sign");
  await page.locator("textarea").fill("试发了一条错误指标，已改正");
  await page.reload();
  await page.locator("textarea").waitFor();
  found.remark = await page.locator("textarea").inputValue();
  await page.locator(".sign-off button[type=submit]").click();
  await page.locator(".signed").waitFor();
  await state(page, "accepted");
  found.signed = await textOf(page, ".signed");
  found.pdf = await page.evaluate(async () => (await (await fetch(document.querySelector(".signed a").href)).text()).slice(0, 5));
  await look(page, "10-accepted");

  // English: the same page, and the list of those that wait for their card.
  await page.locator(".tabs button").nth(3).click();
  await page.locator(".language").click();
  await page.locator(".tabs button").nth(2).click();
  await page.locator(".waiting-list a").first().waitFor();
  found.waiting = await page.locator(".waiting-list a").allInnerTexts();
  await look(page, "11-english");
  await page.locator(".waiting-list a").first().click();
  await page.locator(".token .primary").waitFor();
  await look(page, "12-english-device");

  // An id that is taken leads to its device; one behind a gateway gets no token, for the gateway speaks for it.
  await page.locator(".connect-head a").click();
  await page.locator(".new-device select").first().selectOption("river-gauge");
  await box.nth(1).fill("Gauge-6");
  await page.locator("button[type=submit]").click();
  await page.locator(".outcome a").waitFor();
  found.taken = [await textOf(page, ".outcome p"), await page.locator(".outcome a").getAttribute("href")];
  await box.nth(1).fill("gauge-8");
  await box.nth(3).fill("gateway-01");
  await page.locator("button[type=submit]").click();
  await page.locator(".connect-device .advice").waitFor();
  found.behind = await until(page, "the gateway named", () => [...document.querySelectorAll(".connect-device .panel p")].map((one) => one.textContent).find((text) => text.includes("speaks for it")));
  found.behindToken = await page.locator(".qr, .token").count();
  await look(page, "13-behind");
  delete found.latin["11-english"];
  delete found.latin["13-behind"];
  delete found.latin["12-english-device"];

  // The desk keeps its strip of levels while somebody connects.
  await page.setViewportSize(DESK);
  await page.locator(".menu").waitFor();
  found.desk = await page.evaluate(() => ({ strip: document.querySelectorAll(".level-strip li").length, clock: document.querySelector(".clock") !== null }));
  await page.locator(".menu button[aria-pressed=true]").click();
  await page.locator(".alarm-list").waitFor();
  found.back = await page.evaluate(() => location.hash);
}

/** Somebody who does not connect devices sees no entry, and a sentence where an address leads there. */
async function trespass(context) {
  const page = await context.newPage();
  listen(page);
  await page.goto(`${CONSOLE_URL}/#connect`);
  await page.locator("form").waitFor();
  await signIn(page, OPERATOR_PASSWORD, "zhao");
  await page.locator(".connect-note").waitFor();
  found.operator = await textOf(page, ".connect-note");
  await page.locator(".tabs button").first().click();
  await page.locator(".alarm-list").waitFor();
  found.operatorTabs = await page.locator(".tabs button").count();
}

const phone = { viewport: PHONE, hasTouch: true, deviceScaleFactor: 1, geolocation: PLACE, permissions: ["geolocation"] };
try {
  await withBrowser(FLAGS, walk, phone);
  await withBrowser(FLAGS, trespass, phone);
} catch (error) {
  found.stopped = String(error.stack ?? error);
}
console.log(JSON.stringify({ step: "end", found }));
process.exit(found.stopped ? 1 : 0);
