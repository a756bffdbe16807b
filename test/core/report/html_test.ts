import { equal, ok } from "assert";
import { Html, html, jsonForScript } from "../../../core/report/html.ts";

Deno.test("texts are escaped in elements and attributes, HTML is not", () => {
  const hostile = `</p><script>alert("1")</script> & '`;
  const escaped = "&lt;/p&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;";
  equal(html`<p title="${hostile}">${hostile}</p>`.text, `<p title="${escaped}">${escaped}</p>`);
  equal(html`<ul>${["a", "<"].map((item) => html`<li>${item}</li>`)}</ul>`.text, "<ul><li>a</li><li>&lt;</li></ul>");
  equal(html`${undefined}${3}${Html.trusted("<b>")}`.text, "3<b>");
});

Deno.test("JSON in a script element neither ends it nor begins a comment", () => {
  const value = { text: "</script><!--<script>" };
  const { text } = jsonForScript(value);
  ok(!text.includes("<"));
  equal(JSON.parse(text).text, value.text);
});
