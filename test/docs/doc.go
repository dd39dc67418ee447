// Package docs holds the test that runs what README.md and docs/ tell people to do.
//
// Each page is run from its top in a folder of its own, with the binary built from this source as gokafka, and with Kafka's tools by their names. A
// comment right before a fenced block says what to do with it:
//
//	(none)                         sh: run it, it must succeed · properties: a broker must accept it
//	<!-- run: background -->       sh: start it, and go on when a broker answers; it ends with the page or the next such block
//	<!-- run: status 1 -->         sh: it must end so
//	<!-- run: output -->           text: every line of it must be in what the block before has printed; … stands for anything
//	<!-- run: file NAME -->        write it to NAME, for the blocks that follow
//	<!-- run: with NAME -->        sh: only where NAME is at hand: make compat installs the clients and sets GOKAFKA_DOCS_WITH
//	<!-- run: compat ROW/NAME -->  not here: that scenario of make compat does the same
//	<!-- run: test FOLDER/NAME --> not here: that test below test/ does the same
//
// The pages speak of localhost:9092, where in a test another broker may be: the port is replaced by a free one, wherever it is written.
package docs
