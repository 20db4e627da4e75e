import { FLAGS, signIn, until, withBrowser } from "./browser.mjs";
const { CONSOLE_URL, CONSOLE_PASSWORD, OUT, PICK, LANG2 } = process.env;
await withBrowser(FLAGS, async (context) => {
  const page = await context.newPage();
  await page.goto(CONSOLE_URL);
  await page.locator("form").waitFor();
  await signIn(page, CONSOLE_PASSWORD);
  await until(page, "map", () => { const s = document.querySelector("[data-map]")?.getAttribute("data-map"); return s === "idle" || s === "plan" ? s : null; });
  await page.locator("[data-alarm]").first().waitFor({ timeout: 30000 });
  if (LANG2) await page.locator(".language").click();
  const rows = await page.evaluate(() => [...document.querySelectorAll("[data-alarm]")].map((r) => r.innerText.replace(/\n/g, " | ")));
  console.log(rows.join("\n"));
  if (PICK) { const row = page.locator("[data-alarm]", { hasText: PICK }).first(); await row.locator(".alarm-open").click(); }
  await page.waitForTimeout(4000);
  await page.screenshot({ path: OUT });
});
