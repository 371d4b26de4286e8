import numpy as np

from vestige.correspondence.matched import nearest


def drawn(seed, n):
    generator = np.random.default_rng(seed)
    vectors = generator.standard_normal((n, 6)).astype(np.float32)
    return vectors, generator.choice(["cat", "dog"], n), generator.choice(list("abcdef"), n)


def test_neighbours_are_those_of_plain_loops():
    queries, query_classes, query_groups = drawn(0, 12)
    others, classes, groups = drawn(1, 40)
    found = nearest(queries, others, query_classes, classes, 5, query_groups=query_groups, groups=groups)
    for i in range(12):
        known = [
            (-np.dot(queries[i], others[j]) / np.linalg.norm(queries[i]) / np.linalg.norm(others[j]), j)
            for j in range(40)
            if classes[j] == query_classes[i] and groups[j] != query_groups[i]
        ]
        expected = sorted(known)[:5]
        assert found.of(i).tolist() == [j for _, j in expected]
        np.testing.assert_allclose(found.similarity[i], [-cosine for cosine, _ in expected], rtol=1e-5)


def test_too_few_leave_empty_places():
    vectors = np.eye(4, dtype=np.float32)
    classes, groups = np.array(["cat", "cat", "cat", "dog"]), np.array(list("abcd"))
    found = nearest(vectors, vectors, classes, classes, 3, query_groups=groups, groups=groups)
    assert found.rows[0].tolist() == [1, 2, -1]  # equally near: the lower row first
    assert found.of(0).tolist() == [1, 2]
    assert found.rows[3].tolist() == [-1, -1, -1]
    assert np.isnan(found.similarity[3]).all()


def test_classes_without_others_have_no_neighbours():
    vectors = np.eye(2, dtype=np.float32)
    found = nearest(vectors, vectors, np.array(["a", "b"]), np.array(["c", "c"]), 2)
    assert (found.rows == -1).all()
