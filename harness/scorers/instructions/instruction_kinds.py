"""Every kind of instruction that IFBench has (its 294 prompts use 57 of 58): its rule, and what it has to state. Pure.

The names are the data set's own. A kind that is not here is an error when the suite is loaded, never a pass.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.scorers.instructions import counting_rules as counting
from harness.scorers.instructions import format_rules as layout
from harness.scorers.instructions import prescribed_replies as prescribed
from harness.scorers.instructions import sentence_rules as by_sentence
from harness.scorers.instructions import word_rules as by_word
from harness.scorers.instructions.stated_values import Rule


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of instruction.

    Attributes:
        rule: says whether a reply follows it.
        states: names of the values that each instruction of this kind has to state.
    """

    rule: Rule
    states: tuple[str, ...] = ()


KINDS: dict[str, Kind] = {
    "count:conjunctions": Kind(counting.conjunctions, ("small_n",)),
    "count:keywords_multiple": Kind(counting.keywords_so_often, tuple(counting.KEYWORD_COUNTS)),
    "count:numbers": Kind(counting.exact_numbers, ("N",)),
    "count:person_names": Kind(counting.person_names, ("N",)),
    "count:pronouns": Kind(counting.pronouns, ("N",)),
    "count:punctuation": Kind(counting.every_punctuation_mark),
    "count:unique_word_count": Kind(counting.unique_words, ("N",)),
    "count:word_count_range": Kind(counting.word_range, ("min_words", "max_words")),
    "count:words_japanese": Kind(counting.japanese_every_nth, ("N",)),
    "custom:character_reverse": Kind(prescribed.letters_backwards),
    "custom:csv_city": Kind(prescribed.city_table),
    "custom:csv_quotes": Kind(prescribed.grade_table),
    "custom:csv_special_character": Kind(prescribed.product_table),
    "custom:date_format_list": Kind(prescribed.napoleons_dates),
    "custom:european_capitals_sort": Kind(prescribed.capitals_from_north),
    "custom:mcq_count_length": Kind(prescribed.four_longer_questions),
    "custom:multiples": Kind(prescribed.multiples_of_seven),
    "custom:reverse_newline": Kind(prescribed.countries_backwards),
    "custom:sentence_alphabet": Kind(by_sentence.story_through_the_alphabet),
    "custom:word_reverse": Kind(prescribed.bald_eagle_backwards),
    "format:emoji": Kind(by_sentence.emoji_after_each_sentence),
    "format:line_indent": Kind(layout.stairs),
    "format:list": Kind(layout.list_with_marker, ("sep",)),
    "format:newline": Kind(layout.word_a_line),
    "format:no_bullets_bullets": Kind(layout.sentences_then_bullets),
    "format:no_whitespace": Kind(layout.no_whitespace),
    "format:options": Kind(layout.one_of_options, ("options",)),
    "format:output_template": Kind(layout.template),
    "format:parentheses": Kind(layout.nested_brackets),
    "format:quote_unquote": Kind(layout.quotes_explained),
    "format:quotes": Kind(layout.nested_quotes),
    "format:sub-bullets": Kind(layout.sub_bullets),
    "format:thesis": Kind(layout.italic_thesis),
    "format:title_case": Kind(by_word.title_case),
    "ratio:overlap": Kind(counting.trigram_overlap, ("reference_text", "percentage")),
    "ratio:sentence_balance": Kind(counting.balanced_sentences),
    "ratio:sentence_type": Kind(counting.two_statements_a_question),
    "ratio:sentence_words": Kind(counting.three_equal_sentences),
    "ratio:stop_words": Kind(counting.stop_word_share, ("percentage",)),
    "repeat:repeat_change": Kind(prescribed.request_with_another_first_word, ("prompt_to_repeat",)),
    "repeat:repeat_simple": Kind(prescribed.one_sentence_only),
    "repeat:repeat_span": Kind(prescribed.span_of_request, ("prompt_to_repeat", "n_start", "n_end")),
    "sentence:alliteration_increment": Kind(by_sentence.growing_alliteration),
    "sentence:increment": Kind(by_sentence.growing_sentences, ("small_n",)),
    "sentence:keyword": Kind(by_sentence.keyword_in_sentence, ("word", "N")),
    "words:alphabet": Kind(by_word.through_the_alphabet),
    "words:consonants": Kind(by_word.consonant_clusters),
    "words:keywords_specific_position": Kind(by_word.keyword_at_place, ("keyword", "n", "m")),
    "words:last_first": Kind(by_word.chained_sentences),
    "words:no_consecutive": Kind(by_word.no_same_first_letters),
    "words:odd_even_syllables": Kind(by_word.odd_and_even_syllables),
    "words:palindrome": Kind(by_word.palindromes),
    "words:paragraph_last_first": Kind(by_word.ringed_paragraphs),
    "words:prime_lengths": Kind(by_word.prime_lengths),
    "words:repeats": Kind(by_word.few_repeats, ("small_n",)),
    "words:start_verb": Kind(by_word.verb_first),
    "words:vowel": Kind(by_word.three_vowels),
    "words:words_position": Kind(by_word.keyword_second_and_second_last, ("keyword",)),
}
