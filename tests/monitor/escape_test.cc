#include "monitor/escape.h"

#include <gtest/gtest.h>

namespace callgate {
namespace {

TEST(Escape, PassesPrintableAsciiAndNothingElse) {
  for (int value = 0; value < 256; ++value) {
    const std::string byte(1, static_cast<char>(value));
    const bool plain = value >= 0x20 && value <= 0x7e && value != '\\' && value != '"';
    EXPECT_EQ(escape(byte) == byte, plain) << value;
    EXPECT_EQ(is_plain(byte), plain) << value;
    for (const char shown : escape(byte)) {
      EXPECT_TRUE(shown >= 0x20 && shown <= 0x7e) << value;
    }
  }
}

TEST(Escape, NamesTheCommonControlBytesAndWritesTheOthersInHex) {
  EXPECT_EQ(escape("a\nb\tc\rd"), "a\\nb\\tc\\rd");
  EXPECT_EQ(escape("\x1b[2J"), "\\x1b[2J");
  EXPECT_EQ(escape(std::string_view("\0\x7f\x9b", 3)), "\\x00\\x7f\\x9b");
  EXPECT_EQ(escape("say \"\\\""), "say \\\"\\\\\\\"");
}

TEST(Escape, DoesNotPassUtf8BecauseABidiOverrideIsUtf8) {
  EXPECT_EQ(escape("\xe2\x80\xae"
                   "gpj.exe"),
            "\\xe2\\x80\\xaegpj.exe");
}

TEST(Escape, TwoDifferentByteStringsNeverLookTheSame) {
  EXPECT_NE(escape("\n"), escape("\\n"));
  EXPECT_NE(escape("\x01"), escape("\\x01"));
}

TEST(Escape, SaysHowManyBytesItLeftOut) {
  EXPECT_EQ(escape("abcdef", 6), "abcdef");
  EXPECT_EQ(escape("abcdef", 4), "abcd...(+2 bytes)");
  // An escape is never cut in two.
  EXPECT_EQ(escape("abc\x01z", 6), "abc...(+2 bytes)");
}

TEST(EscapeLine, KeepsQuotesButNoControlBytes) {
  EXPECT_EQ(escape_line("a \"b\" \\ c\n\x1b"), "a \"b\" \\ c\\n\\x1b");
}

TEST(Hex, WritesTwoDigitsAByte) {
  EXPECT_EQ(hex(std::string_view("\0\xff"
                                 "a",
                                 3)),
            "00ff61");
}

TEST(QuotePattern, EscapesWhatTheLanguageReadsAsSomethingElse) {
  EXPECT_EQ(quote_pattern("/etc/passwd"), "/etc/passwd");
  EXPECT_EQ(quote_pattern("/a b/*?[x]{y}\\#$\""), "/a\\ b/\\*\\?\\[x\\]\\{y\\}\\\\\\#\\$\\\"");
  EXPECT_EQ(quote_pattern("/a\nb\xff"), "/a?b?");
  EXPECT_EQ(quote_pattern("/a,b;c,"), "/a,b;c\\,");
}

}  // namespace
}  // namespace callgate
