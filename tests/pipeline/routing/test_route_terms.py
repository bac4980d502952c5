"""How many documents a sample takes when nobody says."""

from pipeline.routing.route_terms import Quality, SampleTerms, sample_size

PROMISE = Quality(within=0.02, of="strong", confidence=0.95)


def test_a_sample_grows_with_the_promise_not_with_the_job() -> None:
    sample = SampleTerms(documents=None, fit_share=0.3)
    # 10 ln(20) / 0.02 = 1,497.9 to certify, which is 0.7 of the sample.
    assert sample_size(sample, PROMISE, 100_000) == 2_140
    assert sample_size(sample, PROMISE, 10**9) == 2_140
    assert sample_size(sample, Quality(0.01, "strong", 0.95), 10**9) == 4_280


def test_a_sample_is_a_fifth_of_a_small_job_at_most() -> None:
    assert sample_size(SampleTerms(None, 0.3), PROMISE, 1_001) == 201


def test_a_sample_of_a_given_size_is_no_larger_than_the_job() -> None:
    assert sample_size(SampleTerms(500, 0.3), PROMISE, 10_000) == 500
    assert sample_size(SampleTerms(500, 0.3), PROMISE, 300) == 300
